// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae.format;

import io.clipsteer.data.InputException;
import io.clipsteer.data.tensor.StoredTensor;
import io.clipsteer.data.tensor.TensorFile;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * How often each feature was active in training, as SAELens and Prisma keep it beside an SAE: one
 * tensor [f] of log10 of the frequency. Its sum is a claim of L0.
 */
final class SparsityFile {
  /** How Prisma's name ends. */
  static final String PRISMA_END = "_log_feature_sparsity.pt";

  /** Prisma adds 1e-10 before the logarithm, so that a frequency may be a little above 1. */
  private static final double MOST = 1e-3;

  private SparsityFile() {}

  /**
   * The mean number of active features a token; null when there is no such file.
   *
   * @throws InputException when it holds anything but one log10 frequency a feature
   */
  static @Nullable Double l0(Path path, int features) {
    if (!Files.isRegularFile(path)) return null;
    try (TensorFile file = TensorFile.open(path)) {
      if (file.tensors().size() != 1) {
        throw bad(path, "holds " + file.tensors().size() + " tensors");
      }
      StoredTensor stored = file.tensors().values().iterator().next();
      switch (stored.dtype()) {
        case F64, F32, F16, BF16 -> {}
        case I64, I32, I16, I8, U8, BOOL -> throw bad(path, "holds " + stored.dtype());
      }
      if (stored.elements() != features) {
        throw bad(path, "has " + stored.elements() + " numbers for " + features + " features");
      }
      double sum = 0;
      for (long i = 0; i < features; i++) {
        double log = stored.get(i);
        if (Double.isNaN(log) || log > MOST) {
          throw bad(path, "says " + log + " for feature " + i + ", no log10 of a frequency");
        }
        sum += Math.pow(10, log);
      }
      return sum;
    }
  }

  private static InputException bad(Path path, String what) {
    return new InputException(path, what, "Remove that file: the SAE is complete without it");
  }
}
