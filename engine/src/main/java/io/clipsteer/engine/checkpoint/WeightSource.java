// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.checkpoint;

import io.clipsteer.data.InputException;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.data.tensor.StoredTensor;
import io.clipsteer.data.tensor.TensorFile;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.Activation;
import io.clipsteer.engine.model.Block;
import io.clipsteer.engine.model.Block.Linear;
import io.clipsteer.engine.model.Block.Norm;
import io.clipsteer.engine.model.TowerShape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;

/**
 * Hands out a checkpoint's tensors, checks their shapes and values, and keeps account: in the end
 * every tensor of the file was used or is named as ignored, and one that nobody knows is an error,
 * since the model would silently be computed without it.
 *
 * <p>Names are those of the architecture: what wrappers of PyTorch put between the modules' names
 * is taken out, and {@link #rename} brings the names of a library's versions together.
 */
final class WeightSource {
  /** Modules that hold another module and do not change it: compiled, DDP, FSDP, checkpointed. */
  private static final Pattern WRAPPERS =
      Pattern.compile(
          "(?<![^.])(_orig_mod|module|_fsdp_wrapped_module|_checkpoint_wrapped_module)\\.");

  private final TensorFile file;
  private final DType dtype;
  private final Device device;
  private Map<String, StoredTensor> tensors;
  private final Set<String> used = new LinkedHashSet<>();
  private final List<Tensor> made = new ArrayList<>();
  private long parameters;

  WeightSource(TensorFile file, DType dtype, Device device) {
    this.file = file;
    this.dtype = dtype;
    this.device = device;
    this.tensors = named(file.tensors(), name -> WRAPPERS.matcher(name).replaceAll(""));
  }

  private Map<String, StoredTensor> named(
      Map<String, StoredTensor> from, UnaryOperator<String> rule) {
    Map<String, StoredTensor> to = new LinkedHashMap<>();
    for (var entry : from.entrySet()) {
      StoredTensor same = to.put(rule.apply(entry.getKey()), entry.getValue());
      if (same != null) {
        throw new InputException(
            file.path(),
            "tensors " + same.name() + " and " + entry.getValue().name() + " are the same weight",
            "Delete one of them");
      }
    }
    return to;
  }

  /**
   * Brings the names that versions of a library give to the same weights together.
   *
   * @param rules what to replace by what, in this order
   */
  void rename(List<Rename> rules) {
    tensors =
        named(
            tensors,
            name -> {
              String renamed = name;
              for (Rename rule : rules) {
                renamed = rule.from().matcher(renamed).replaceFirst(rule.to());
              }
              return renamed;
            });
  }

  /** A part of a name, and what stands for it. */
  record Rename(Pattern from, String to) {
    Rename(String from, String to) {
      this(Pattern.compile(from), to);
    }
  }

  Object where() {
    return file.path();
  }

  boolean has(String name) {
    return tensors.containsKey(name);
  }

  /** Whether this is one of OpenAI's archives, which alone carry the sizes as tensors or fields. */
  boolean openAiArchive() {
    return has("input_resolution") || file.metadata().containsKey("input_resolution");
  }

  /** The shape of a tensor that must be there. */
  long[] shape(String name) {
    return get(name).shape().clone();
  }

  /** The value of a tensor with one element. */
  double scalar(String name) {
    StoredTensor tensor = stored(name);
    if (tensor.elements() != 1) throw misshapen(tensor, "one element");
    if (!Double.isFinite(tensor.get(0))) throw notFinite(tensor);
    return tensor.get(0);
  }

  /** The tensor as F32 on the CPU, in the current scope; −1 in {@code shape} fits any extent. */
  Tensor take(String name, long... shape) {
    StoredTensor tensor = stored(name);
    boolean fits = tensor.shape().length == shape.length;
    for (int i = 0; fits && i < shape.length; i++) {
      fits = shape[i] == -1 || shape[i] == tensor.shape()[i];
    }
    if (!fits) throw misshapen(tensor, Arrays.toString(shape));
    Tensor value = Tensor.of(tensor).to(DType.F32);
    if (!value.isFinite()) throw notFinite(tensor);
    return value;
  }

  private InputException notFinite(StoredTensor tensor) {
    long bad = 0;
    double first = 0;
    for (long i = 0; i < tensor.elements(); i++) {
      if (Float.isFinite((float) tensor.get(i))) continue;
      if (bad++ == 0) first = tensor.get(i);
    }
    return new InputException(
        file.path(),
        "tensor %s holds %s (%d of its %d numbers are not finite)"
            .formatted(tensor.name(), first, bad, tensor.elements()),
        "Every result would be NaN: fetch the file again, or take an earlier checkpoint");
  }

  private StoredTensor get(String name) {
    StoredTensor tensor = tensors.get(name);
    return tensor == null ? file.get(name) : tensor;
  }

  private StoredTensor stored(String name) {
    StoredTensor tensor = get(name);
    switch (tensor.dtype()) {
      case F64, F32, F16, BF16 -> {}
      default ->
          throw new InputException(
              file.path(),
              "tensor " + tensor.name() + " holds " + tensor.dtype(),
              "Weights are floating point: use an unquantised checkpoint");
    }
    if (used.add(name)) parameters += tensor.elements();
    return tensor;
  }

  private InputException misshapen(StoredTensor tensor, String expected) {
    return new InputException(
        file.path(),
        "tensor " + tensor.name() + " is " + Arrays.toString(tensor.shape()) + ", not " + expected,
        "Weights and configuration do not belong together");
  }

  /** Makes a weight in the wanted element type and place, free of any scope. */
  Tensor ready(Supplier<Tensor> recipe) {
    try (Scope scope = Scope.open()) {
      Tensor weight = recipe.get().to(dtype).to(device).contiguous();
      made.add(weight);
      return scope.release(weight);
    }
  }

  /** A weight as it stands in the file. */
  Tensor ready(String name, long... shape) {
    return ready(() -> take(name, shape));
  }

  Norm norm(String prefix, long d, double eps) {
    return new Norm(ready(prefix + ".weight", d), ready(prefix + ".bias", d), eps);
  }

  /** A product whose weight lies as [out,in]; its bias where the file has one. */
  Linear linear(String prefix, long out, long in) {
    String bias = prefix + ".bias";
    return new Linear(ready(prefix + ".weight", out, in), has(bias) ? ready(bias, out) : null);
  }

  /** A product of a block, scaled: weight and bias must both be there. */
  private Linear biased(String p, long out, long in, double weightScale, double biasScale) {
    return new Linear(
        ready(() -> scaled(take(p + ".weight", out, in), weightScale)),
        ready(() -> scaled(take(p + ".bias", out), biasScale)));
  }

  /** As {@link #biased}; two names joined by {@code +} are halves of the product. */
  private Linear inner(String p, String names, long out, long in, double scale) {
    String[] halves = names.split("\\+");
    if (halves.length == 1) return biased(p + names, out, in, scale, scale);
    long half = out / halves.length;
    return new Linear(
        ready(() -> joined(halves, h -> take(p + h + ".weight", half, in))),
        ready(() -> joined(halves, h -> take(p + h + ".bias", half))));
  }

  private static Tensor joined(String[] names, Function<String, Tensor> each) {
    return Tensor.concat(Arrays.stream(names).map(each).toList(), 0);
  }

  private static Tensor scaled(Tensor weight, double factor) {
    return factor == 1 ? weight : weight.mul(factor);
  }

  /** A projection that lies as [in,out] and is applied as x·P. */
  Linear projection(String name, long in, long out) {
    return new Linear(ready(() -> take(name, in, out).transpose(0, 1)), null);
  }

  /**
   * Where a block's parts lie; {@code %d} in the prefix is the layer. {@code fc1} may name the two
   * halves of a gated product, joined by {@code +}.
   */
  record BlockNames(
      String prefix,
      String ln1,
      List<String> qkv,
      String out,
      String ln2,
      String fc1,
      String fc2,
      String scale1,
      String scale2) {}

  List<Block> blocks(BlockNames names, TowerShape shape) {
    int layers = shape.layers();
    // What some architectures lack, all blocks have or none.
    Optional parts =
        new Optional(
            anyBlock(names, layers, names.qkv().getFirst() + dot(names.qkv().getFirst()) + "bias"),
            anyBlock(names, layers, names.scale1()),
            anyBlock(names, layers, names.scale2()));
    List<Block> blocks = new ArrayList<>();
    for (int layer = 0; layer < layers; layer++) {
      blocks.add(block(names, names.prefix().formatted(layer), parts, shape));
    }
    return List.copyOf(blocks);
  }

  /** Which parts that are not in every architecture this one has. */
  private record Optional(boolean qkvBias, boolean scale1, boolean scale2) {}

  private boolean anyBlock(BlockNames names, int layers, String part) {
    for (int layer = 0; layer < layers; layer++) {
      if (has(names.prefix().formatted(layer) + part)) return true;
    }
    return false;
  }

  private static String dot(String name) {
    return name.endsWith("_") ? "" : ".";
  }

  private Block block(BlockNames names, String p, Optional parts, TowerShape shape) {
    long d = shape.width();
    long inner = shape.activation() == Activation.SWIGLU ? 2L * shape.hidden() : shape.hidden();
    double in = shape.activation().innerScale();
    double out = shape.activation().outerScale();
    return new Block(
        norm(p + names.ln1(), d, shape.eps()),
        stacked(p, names.qkv(), parts.qkvBias(), d),
        biased(p + names.out(), d, d, 1, 1),
        norm(p + names.ln2(), d, shape.eps()),
        inner(p, names.fc1(), inner, d, in),
        biased(p + names.fc2(), d, shape.hidden(), out, 1),
        parts.scale1() ? ready(p + names.scale1(), d) : null,
        parts.scale2() ? ready(p + names.scale2(), d) : null);
  }

  /** Query, key and value in one product: stacked in the file, or three tensors. */
  private Linear stacked(String p, List<String> names, boolean biased, long d) {
    if (names.size() == 1) {
      String name = p + names.getFirst();
      String dot = dot(name);
      String bias = name + dot + "bias";
      return new Linear(ready(name + dot + "weight", 3 * d, d), biased ? ready(bias, 3 * d) : null);
    }
    Tensor weight =
        ready(
            () ->
                Tensor.concat(names.stream().map(n -> take(p + n + ".weight", d, d)).toList(), 0));
    Tensor bias =
        biased
            ? ready(
                () -> Tensor.concat(names.stream().map(n -> take(p + n + ".bias", d)).toList(), 0))
            : null;
    return new Linear(weight, bias);
  }

  /**
   * Closes the account.
   *
   * @param harmless names that do not take part in what this program computes
   * @return the tensors left unused, all of them harmless, in the file's order
   */
  List<String> ignored(Pattern harmless) {
    List<String> left = new ArrayList<>();
    for (var entry : tensors.entrySet()) {
      if (used.contains(entry.getKey())) continue;
      String name = entry.getValue().name();
      if (!harmless.matcher(entry.getKey()).matches()) {
        throw new InputException(
            file.path(),
            "tensor " + name + " has no place in this architecture",
            "The model would be computed without it: check that the configuration belongs to it");
      }
      left.add(name);
    }
    return List.copyOf(left);
  }

  /** Number of weights handed out. */
  long parameters() {
    return parameters;
  }

  /** Every weight made so far, to be closed with the model. */
  List<Tensor> made() {
    return made;
  }
}
