// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae;

import io.clipsteer.data.InputException;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.data.tensor.StoredTensor;
import io.clipsteer.data.tensor.TensorFile;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import java.util.Arrays;
import java.util.List;

/** The weights of an SAE's file: their shapes are checked, their numbers are finite. */
final class SaeTensors {
  /** Tensors that only SAEs of another kind have, and that kind. */
  private static final List<List<String>> STRANGERS =
      List.of(
          List.of("W_skip", "skip SAE"),
          List.of("b_dec_out", "transcoder"),
          List.of("b_gate", "gated SAE"),
          List.of("gate_bias", "gated SAE"),
          List.of("r_mag", "gated SAE"),
          List.of("b_mag", "gated SAE"),
          List.of("mag_bias", "gated SAE"));

  private final TensorFile file;
  private final int width;
  private final int features;

  /**
   * @param encoder name of the encoder's matrix
   * @param featuresFirst whether it is [f,d] rather than [d,f]
   */
  SaeTensors(TensorFile file, String encoder, boolean featuresFirst) {
    this.file = file;
    for (List<String> stranger : STRANGERS) {
      if (file.tensors().containsKey(stranger.get(0))) {
        throw new InputException(
            file.path(),
            "is a " + stranger.get(1) + " (it has " + stranger.get(0) + ")",
            "This program reads plain SAEs: ReLU, TopK, JumpReLU, BatchTopK and Matryoshka");
      }
    }
    long[] shape = file.get(encoder).shape();
    if (shape.length != 2 || shape[0] < 1 || shape[1] < 1 || shape[0] > 1 << 24) {
      throw new InputException(
          file.path(),
          "tensor " + encoder + " is " + Arrays.toString(shape) + ", not a matrix",
          "Fetch the file again");
    }
    width = Math.toIntExact(shape[featuresFirst ? 1 : 0]);
    features = Math.toIntExact(shape[featuresFirst ? 0 : 1]);
  }

  int width() {
    return width;
  }

  int features() {
    return features;
  }

  boolean has(String name) {
    return file.tensors().containsKey(name);
  }

  /** A tensor of this shape, F32. */
  Tensor get(String name, long... shape) {
    StoredTensor stored = file.get(name);
    if (!Arrays.equals(stored.shape(), shape)) {
      throw new InputException(
          file.path(),
          "tensor " + name + " is " + Arrays.toString(stored.shape()),
          "Expected " + Arrays.toString(shape));
    }
    Tensor tensor = Tensor.of(stored).to(DType.F32);
    if (!Double.isFinite(tensor.sum(DType.F64).item())) {
      throw new InputException(
          file.path(), "tensor " + name + " holds NaN or infinity", "Train or fetch it again");
    }
    return tensor;
  }

  /** The transpose of a matrix that the file has as [columns,rows]: [rows,columns]. */
  Tensor turned(String name, long rows, long columns) {
    try (Scope scope = Scope.open()) {
      return scope.keep(get(name, columns, rows).transpose(0, 1).contiguous());
    }
  }

  /** A whole number held as a tensor of one element, from 1 to the number of features. */
  int count(String name) {
    StoredTensor stored = file.get(name);
    double value = stored.elements() == 1 ? stored.get(0) : Double.NaN;
    if (!(value >= 1 && value <= features && value == Math.rint(value))) {
      throw new InputException(
          file.path(),
          "tensor " + name + " is " + value + " of " + features + " features",
          "Fetch the file again");
    }
    return (int) value;
  }

  /** One number, finite. */
  float scalar(String name) {
    StoredTensor stored = file.get(name);
    double value = stored.elements() == 1 ? stored.get(0) : Double.NaN;
    if (!Double.isFinite(value)) {
      throw new InputException(
          file.path(), "tensor " + name + " is not one finite number", "Fetch the file again");
    }
    return (float) value;
  }

  /** JumpReLU's thresholds, at least 0. */
  SaeActivation jump(String name) {
    try (Scope scope = Scope.open()) {
      float[] thresholds = get(name, features).toFloats();
      for (int j = 0; j < features; j++) {
        if (thresholds[j] < 0) {
          throw new InputException(
              file.path(),
              "the " + name + " of feature " + j + " is " + thresholds[j],
              "JumpReLU's thresholds are at least 0: train or fetch it again");
        }
      }
      return new SaeActivation.JumpRelu(thresholds);
    }
  }

  /** One threshold for all features; 0 is a ReLU. */
  SaeActivation jump(float threshold) {
    if (threshold == 0) return new SaeActivation.Relu();
    float[] all = new float[features];
    Arrays.fill(all, threshold);
    return new SaeActivation.JumpRelu(all);
  }

  SaeActivation topK(int k) {
    if (k > features) {
      throw new InputException(
          file.path(), "k is " + k + " of " + features + " features", "Correct k");
    }
    return new SaeActivation.TopK(k);
  }

  InputException bad(String what, String remedy) {
    return new InputException(file.path(), what, remedy);
  }
}
