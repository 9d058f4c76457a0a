// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.tensor;

import io.clipsteer.data.InputException;
import java.nio.file.Path;

/**
 * Heap that one file may cost while it is interpreted: four times its size and 768 KiB. One byte of
 * a pickle can ask for an object of fifty, so everything built is charged before it is built,
 * somewhat above what the JVM takes for it.
 */
final class Budget {
  private static final long FIXED = 768 << 10;
  private final Path file;
  private long left;

  Budget(Path file, long fileSize) {
    this.file = file;
    this.left = Math.addExact(Math.multiplyExact(4L, fileSize), FIXED);
  }

  /** Charges {@code bytes}; refuses the file when the budget is exceeded. */
  void spend(long bytes) {
    left -= bytes;
    if (left < 0) {
      throw new InputException(
          file,
          "needs far more memory to interpret than its size warrants",
          "It holds little but names: damaged, or made to exhaust memory");
    }
  }

  /** Charges a string of {@code bytes} encoded bytes, with the copies made on its way. */
  void spendText(long bytes) {
    spend(64 + 3 * bytes);
  }
}
