// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae.format;

import io.clipsteer.data.InputException;
import io.clipsteer.data.json.JsonObject;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.data.tensor.StoredTensor;
import io.clipsteer.data.tensor.TensorFile;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SaeActivation;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The weights of an SAE's file: their shapes are checked, their numbers are floating point and
 * finite, and in the end every tensor was used or is known not to change the output.
 */
final class SaeTensors {
  /** Kinds of SAE, each with the tensors that only it has. */
  private static final List<List<String>> STRANGERS =
      List.of(
          List.of("skip SAE", "W_skip"),
          List.of("transcoder", "b_dec_out"),
          List.of("gated SAE", "b_gate", "gate_bias", "r_mag", "b_mag", "mag_bias"));

  /** Sizes are at most this. */
  private static final int MAX_SIZE = 1 << 24;

  private static final String COMPILED = "_orig_mod";
  private static final String WRAPPED = "module.";

  private final TensorFile file;
  private final Map<String, StoredTensor> tensors;
  private final Set<String> used = new LinkedHashSet<>();
  private final int width;
  private final int features;
  private String kind = "an SAE of this kind";

  /**
   * @param encoder name of the encoder's matrix
   * @param featuresFirst whether it is [f,d] rather than [d,f]
   */
  SaeTensors(TensorFile file, String encoder, boolean featuresFirst) {
    this.file = file;
    this.tensors = named(file);
    for (List<String> stranger : STRANGERS) {
      for (String name : stranger.subList(1, stranger.size())) {
        if (!has(name)) continue;
        throw bad(
            "is a " + stranger.getFirst() + " (it has " + name + ")",
            "This program reads plain SAEs: ReLU, TopK, JumpReLU, BatchTopK and Matryoshka");
      }
    }
    long[] shape = stored(encoder).shape();
    if (shape.length != 2
        || shape[0] < 1
        || shape[1] < 1
        || Math.max(shape[0], shape[1]) > MAX_SIZE) {
      throw bad(
          "tensor " + encoder + " is " + Arrays.toString(shape) + ", not a matrix",
          "Fetch the file again");
    }
    width = Math.toIntExact(shape[featuresFirst ? 1 : 0]);
    features = Math.toIntExact(shape[featuresFirst ? 0 : 1]);
  }

  /**
   * The tensors of a file by the names of the SAE itself: without the {@code _orig_mod} of compiled
   * modules, and without the {@code module.} of parallel ones where all have it.
   */
  static Map<String, StoredTensor> named(TensorFile file) {
    Map<String, StoredTensor> names = renamed(file, file.tensors(), SaeTensors::uncompiled);
    while (!names.isEmpty() && names.keySet().stream().allMatch(n -> n.startsWith(WRAPPED))) {
      names = renamed(file, names, name -> name.substring(WRAPPED.length()));
    }
    return names;
  }

  private static Map<String, StoredTensor> renamed(
      TensorFile file, Map<String, StoredTensor> from, UnaryOperator<String> rule) {
    Map<String, StoredTensor> names = new LinkedHashMap<>();
    from.forEach(
        (name, tensor) -> {
          if (names.put(rule.apply(name), tensor) == null) return;
          throw new InputException(
              file.path(),
              "has the tensor " + rule.apply(name) + " twice, compiled and not",
              "Save one state dict");
        });
    return names;
  }

  private static String uncompiled(String name) {
    return Arrays.stream(name.split("\\.", -1))
        .filter(part -> !part.equals(COMPILED))
        .collect(Collectors.joining("."));
  }

  /** Says in messages what the configuration makes of the file: {@code architecture standard}. */
  SaeTensors as(String meant) {
    kind = meant;
    return this;
  }

  int width() {
    return width;
  }

  int features() {
    return features;
  }

  Path path() {
    return file.path();
  }

  /** What lies beside the tensors. */
  Map<String, String> metadata() {
    return file.metadata();
  }

  boolean has(String name) {
    return tensors.containsKey(name);
  }

  private StoredTensor stored(String name) {
    StoredTensor tensor = tensors.get(name);
    if (tensor == null) {
      throw bad(
          "tensor " + name + " is missing for " + kind,
          "The file has " + tensors.size() + " others");
    }
    used.add(name);
    return tensor;
  }

  private StoredTensor floating(String name) {
    StoredTensor tensor = stored(name);
    return switch (tensor.dtype()) {
      case F64, F32, F16, BF16 -> tensor;
      case I64, I32, I16, I8, U8, BOOL ->
          throw bad(
              "tensor " + name + " holds " + tensor.dtype() + ", as quantised SAEs do",
              "Weights are floating point: multiply by the scale and save them as F32");
    };
  }

  /** A tensor of this shape, F32. */
  Tensor get(String name, long... shape) {
    StoredTensor stored = floating(name);
    if (!Arrays.equals(stored.shape(), shape)) {
      throw bad(
          "tensor " + name + " is " + Arrays.toString(stored.shape()),
          "Expected " + Arrays.toString(shape));
    }
    Tensor tensor = Tensor.of(stored).to(DType.F32);
    if (!Double.isFinite(tensor.sum(DType.F64).item())) {
      throw bad("tensor " + name + " holds NaN or infinity", "Train or fetch it again");
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
    StoredTensor stored = stored(name);
    double value = stored.elements() == 1 ? stored.get(0) : Double.NaN;
    if (!(value >= 1 && value <= features && value == Math.rint(value))) {
      throw bad(
          "tensor " + name + " is " + value + " of " + features + " features",
          "Fetch the file again");
    }
    return (int) value;
  }

  /** One number, finite. */
  float scalar(String name) {
    StoredTensor stored = floating(name);
    float value = stored.elements() == 1 ? (float) stored.get(0) : Float.NaN;
    if (!Float.isFinite(value)) {
      throw bad("tensor " + name + " is not one finite number", "Fetch the file again");
    }
    return value;
  }

  /** Whether an unused tensor is present and all of its numbers equal this one. */
  boolean isAll(String name, double number) {
    StoredTensor stored = floating(name);
    for (long i = 0; i < stored.elements(); i++) {
      if (!(Math.abs(stored.get(i) - number) <= 1e-8 + 1e-5 * Math.abs(number))) return false;
    }
    return true;
  }

  /** Whether two tensors have the same shape, type and bytes. */
  boolean isCopy(String name, String of) {
    StoredTensor one = stored(name);
    StoredTensor other = stored(of);
    return one.dtype() == other.dtype()
        && Arrays.equals(one.shape(), other.shape())
        && one.bytes().mismatch(other.bytes()) == -1;
  }

  /** The sum of a tensor's numbers. */
  double sum(String name) {
    StoredTensor stored = stored(name);
    double sum = 0;
    for (long i = 0; i < stored.elements(); i++) sum += stored.get(i);
    return sum;
  }

  /** JumpReLU's thresholds, at least 0. */
  SaeActivation jump(String name) {
    try (Scope scope = Scope.open()) {
      float[] thresholds = get(name, features).toFloats();
      for (int j = 0; j < features; j++) {
        if (thresholds[j] < 0) {
          throw bad(
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
    if (k > features) throw bad("k is " + k + " of " + features + " features", "Correct k");
    return new SaeActivation.TopK(k);
  }

  /** The SAE of {@code W_enc}, {@code b_enc}, {@code W_dec} and {@code b_dec}. */
  Sae plain(SaeActivation activation, InputNormalisation normalisation, boolean subtracts) {
    return new Sae(
        activation,
        normalisation,
        get("W_enc", width, features),
        get("b_enc", features),
        get("W_dec", features, width),
        get("b_dec", width),
        subtracts);
  }

  /** Throws when a configuration says another size than the weights have. */
  static void agree(JsonObject config, String name, long size) {
    Integer claimed = config.integerOrNull(name, 1, MAX_SIZE);
    if (claimed != null && claimed != size) {
      throw config.bad(
          name + " is " + claimed + ", but the weights have " + size, "Restore the file");
    }
  }

  /** A number of features in a configuration; null when absent. */
  static @Nullable Integer kOrNull(JsonObject config, String name) {
    return config.integerOrNull(name, 1, MAX_SIZE);
  }

  /**
   * Refuses every tensor that was not used.
   *
   * @param harmless names of tensors that take no part in encoding and decoding
   * @return a note that names the harmless tensors found; none without any
   */
  List<String> refuseUnused(Set<String> harmless) {
    List<String> left = tensors.keySet().stream().filter(name -> !used.contains(name)).toList();
    for (String name : left) {
      if (!harmless.contains(name)) {
        throw bad(
            "tensor " + name + " has no place in " + kind,
            "It may change the output: remove it if it does not, or correct the configuration");
      }
    }
    if (left.isEmpty()) return List.of();
    return List.of("not used, as they take no part in encoding: " + String.join(", ", left));
  }

  InputException bad(String what, String remedy) {
    return new InputException(file.path(), what, remedy);
  }
}
