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
import java.util.stream.IntStream;

/**
 * A checkpoint's tensors, checked for shape and finite values, with an account of their use: in the
 * end every tensor was used or is known to be harmless. An unknown tensor is an error, since the
 * model would silently be computed without it.
 *
 * <p>Names are those of the architecture: the names of PyTorch's wrapper modules are removed, and
 * {@link #rename} maps the names of a library's versions to one.
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
   * Maps the names that versions of a library give to the same weights to one name.
   *
   * @param rules replacements, applied in this order
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

  /** A pattern in names and its replacement. */
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

  /** The numbers of a vector that computes no product: n of them, finite. */
  double[] numbers(String name, int n) {
    StoredTensor tensor = stored(name);
    if (tensor.shape().length != 1 || tensor.elements() != n)
      throw misshapen(tensor, "[" + n + "]");
    double[] values = new double[n];
    for (int i = 0; i < n; i++) values[i] = tensor.get(i);
    if (!Arrays.stream(values).allMatch(Double::isFinite)) throw notFinite(tensor);
    return values;
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

  /** Makes a weight in the model's element type and on its device, outside any scope. */
  Tensor ready(Supplier<Tensor> recipe) {
    try (Scope scope = Scope.open()) {
      Tensor weight = recipe.get().to(dtype).to(device).contiguous();
      made.add(weight);
      return scope.release(weight);
    }
  }

  /** A weight as stored. */
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

  /** A product, scaled: weight and bias must both be there. */
  Linear biased(String p, long out, long in, double weightScale, double biasScale) {
    return new Linear(
        ready(() -> scaled(take(p + ".weight", out, in), weightScale)),
        ready(() -> scaled(take(p + ".bias", out), biasScale)));
  }

  /** As {@link #biased}; two names joined by {@code +} are halves of the product. */
  private Linear inner(String p, String names, long out, long in, double scale) {
    List<String> halves = List.of(names.split("\\+"));
    if (halves.size() == 1) return biased(p + names, out, in, scale, scale);
    long half = out / halves.size();
    return new Linear(
        ready(() -> joined(halves, h -> take(p + h + ".weight", half, in))),
        ready(() -> joined(halves, h -> take(p + h + ".bias", half))));
  }

  private static <T> Tensor joined(List<T> parts, Function<T, Tensor> each) {
    return Tensor.concat(parts.stream().map(each).toList(), 0);
  }

  private static Tensor scaled(Tensor weight, double factor) {
    return factor == 1 ? weight : weight.mul(factor);
  }

  /** A projection that lies as [in,out] and is applied as x·P. */
  Linear projection(String name, long in, long out) {
    return new Linear(ready(() -> take(name, in, out).transpose(0, 1)), null);
  }

  /**
   * Names of a block's tensors; {@code %d} in the prefix is the layer. {@code fc1} may name the two
   * halves of a gated product, joined by {@code +}.
   *
   * @param qkv query, key and value stacked in one tensor, or three
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
      String scale2,
      Others others) {
    BlockNames(
        String prefix,
        String ln1,
        List<String> qkv,
        String out,
        String ln2,
        String fc1,
        String fc2,
        String scale1,
        String scale2) {
      this(prefix, ln1, qkv, out, ln2, fc1, fc2, scale1, scale2, Others.NONE);
    }

    /** Names of the biases of query, key and value, in the form of the weights or of three. */
    private List<String> biases() {
      if (!others.qkvBias.isEmpty()) return others.qkvBias;
      return qkv.stream().map(name -> name + dot(name) + "bias").toList();
    }
  }

  /**
   * Parts of blocks that few families have.
   *
   * @param qkvBias names of the three biases where they are not those of the weights
   * @param biasMask factor of a stacked bias, or "none"
   * @param mixNorm norm of attention's mix, or "none"
   * @param innerNorm norm inside the MLP, or "none"
   * @param pairs whether rotary positions turn the pairs 2t and 2t + 1 of a head
   */
  record Others(
      List<String> qkvBias, String biasMask, String mixNorm, String innerNorm, boolean pairs) {
    static final Others NONE = new Others(List.of(), "none", "none", "none", false);
  }

  List<Block> blocks(BlockNames names, TowerShape shape) {
    int layers = shape.layers();
    // What some architectures lack, all blocks have or none.
    Optional parts =
        new Optional(
            names.biases().stream().map(bias -> anyBlock(names, layers, bias)).toList(),
            anyBlock(names, layers, names.scale1()),
            anyBlock(names, layers, names.scale2()),
            anyBlock(names, layers, names.others().mixNorm() + ".weight"),
            anyBlock(names, layers, names.others().innerNorm() + ".weight"));
    List<Block> blocks = new ArrayList<>();
    for (int layer = 0; layer < layers; layer++) {
      blocks.add(block(names, names.prefix().formatted(layer), parts, shape));
    }
    return List.copyOf(blocks);
  }

  /** Which parts that are not in every architecture this one has. */
  private record Optional(
      List<Boolean> qkvBias, boolean scale1, boolean scale2, boolean mixNorm, boolean innerNorm) {}

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
        stacked(p, names, parts.qkvBias(), shape),
        biased(p + names.out(), d, d, 1, 1),
        norm(p + names.ln2(), d, shape.eps()),
        inner(p, names.fc1(), inner, d, in),
        biased(p + names.fc2(), d, shape.hidden(), out, 1),
        parts.scale1() ? ready(p + names.scale1(), d) : null,
        parts.scale2() ? ready(p + names.scale2(), d) : null,
        parts.mixNorm() ? norm(p + names.others().mixNorm(), d, shape.eps()) : null,
        parts.innerNorm()
            ? norm(p + names.others().innerNorm(), shape.hidden(), shape.eps())
            : null);
  }

  /**
   * Query, key and value in one product: stacked in the file, or three tensors.
   *
   * @param biased which of the biases there are; one that is not is zero beside others
   */
  private Linear stacked(String p, BlockNames names, List<Boolean> biased, TowerShape shape) {
    long d = shape.width();
    List<String> qkv = names.qkv();
    int n = qkv.size();
    Tensor weight =
        ready(
            () ->
                halves(
                    joined(qkv, q -> take(p + q + dot(q) + "weight", 3 * d / n, d)),
                    names.others(),
                    shape));
    if (!biased.contains(true)) return new Linear(weight, null);
    List<String> biases = names.biases();
    List<Integer> all = IntStream.range(0, biases.size()).boxed().toList();
    long each = 3 * d / biases.size();
    return new Linear(
        weight,
        ready(
            () -> {
              Tensor bias =
                  joined(
                      all,
                      i ->
                          biased.get(i)
                              ? take(p + biases.get(i), each)
                              : Tensor.zeros(DType.F32, each));
              String mask = names.others().biasMask();
              if (!mask.equals("none")) bias = bias.mul(take(p + mask, 3 * d));
              return halves(bias, names.others(), shape);
            }));
  }

  /** Rows of query and key in the order of {@link io.clipsteer.engine.model.Rotary}. */
  private static Tensor halves(Tensor stacked, Others others, TowerShape shape) {
    if (!others.pairs()) return stacked;
    int d = shape.width();
    int width = d / shape.heads();
    long[] rows = new long[3 * d];
    for (int i = 0; i < rows.length; i++) {
      int in = i % width;
      int pair = in < width / 2 ? 2 * in : 2 * (in - width / 2) + 1;
      rows[i] = i < 2 * d ? i - in + pair : i;
    }
    return stacked.indexSelect(0, Tensor.of(rows, rows.length));
  }

  /**
   * Accounts for the tensors that were not used.
   *
   * @param harmless names of tensors that do not affect the results
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

  /** Number of weights used. */
  long parameters() {
    return parameters;
  }

  /** Every weight made so far, to be closed with the model. */
  List<Tensor> made() {
    return made;
  }
}
