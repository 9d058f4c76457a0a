// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.checkpoint;

import io.clipsteer.data.InputException;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.data.tensor.StoredTensor;
import io.clipsteer.data.tensor.TensorFile;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.Block.Linear;
import io.clipsteer.engine.model.Block.Norm;
import io.clipsteer.engine.model.TokenTable;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;

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

  /** Rows of a table of tokens that are checked at once. */
  private static final long PIECE = 4096;

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
    if (device.equals(Device.NONE))
      return Tensor.empty(DType.F32).to(device).expand(tensor.shape());
    Tensor value = Tensor.of(tensor).to(DType.F32);
    tensor.unload();
    if (!value.isFinite()) throw notFinite(tensor);
    return value;
  }

  /** Zeros beside what {@link #take} gives. */
  Tensor zeros(long n) {
    Tensor zeros = Tensor.zeros(DType.F32, n);
    return device.equals(Device.NONE) ? zeros.to(device) : zeros;
  }

  /** Vectors of tokens, which stay in the file. */
  TokenTable table(String name, long vocabulary, long d) {
    StoredTensor tensor = stored(name);
    if (!Arrays.equals(tensor.shape(), new long[] {vocabulary, d})) {
      throw misshapen(tensor, Arrays.toString(new long[] {vocabulary, d}));
    }
    if (!device.equals(Device.NONE)) checkFinite(tensor, vocabulary, d);
    return new TokenTable(tensor, dtype, device);
  }

  /** Checks the rows of a large tensor piece by piece, in the memory of one piece. */
  private void checkFinite(StoredTensor tensor, long rows, long d) {
    long size = tensor.bytes().byteSize() / rows;
    for (long from = 0; from < rows; from += PIECE) {
      long n = Math.min(PIECE, rows - from);
      MemorySegment bytes = tensor.bytes().asSlice(from * size, n * size);
      var piece = new StoredTensor(tensor.name(), tensor.dtype(), new long[] {n, d}, bytes);
      try (Scope scope = Scope.open()) {
        if (!Tensor.of(piece).to(DType.F32).isFinite()) throw notFinite(tensor);
      }
      piece.unload();
    }
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

  private static Tensor scaled(Tensor weight, double factor) {
    return factor == 1 ? weight : weight.mul(factor);
  }

  /** A projection that lies as [in,out] and is applied as x·P. */
  Linear projection(String name, long in, long out) {
    return new Linear(ready(() -> take(name, in, out).transpose(0, 1)), null);
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
