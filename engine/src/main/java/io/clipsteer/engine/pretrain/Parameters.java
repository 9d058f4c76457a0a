// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.pretrain;

import io.clipsteer.data.InputException;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.data.tensor.StateFile;
import io.clipsteer.data.tensor.StoredTensor;
import io.clipsteer.data.tensor.TensorFile;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * All weights of a model in one vector, with their gradients and AdamW's moments in three more of
 * the same layout. One update is a handful of passes over memory, and the whole state is four
 * tensors.
 */
final class Parameters implements AutoCloseable {
  private record Entry(long offset, float[] start, boolean decays, long[] shape) {}

  private final LinkedHashMap<String, Entry> entries = new LinkedHashMap<>();
  private final LinkedHashMap<String, Tensor> leaves = new LinkedHashMap<>();
  private final List<Tensor> owned = new ArrayList<>();
  private long size;

  private Tensor values;
  private Tensor gradients;
  private Tensor first;
  private Tensor second;
  private Tensor decay;

  /** Collects the weights of a model: names, extents and first values, in the order of calls. */
  static final class Builder {
    private final Parameters made = new Parameters();
    private final SplittableRandom random;

    Builder(long seed) {
      random = new SplittableRandom(seed);
    }

    /** Gaussian numbers; matrices decay. */
    void gaussian(String name, double std, boolean decays, long... shape) {
      made.add(name, gaussian(std, count(shape)), decays, shape);
    }

    /** Given numbers. */
    void values(String name, float[] start, boolean decays, long... shape) {
      if (start.length != count(shape)) throw new IllegalArgumentException(name);
      made.add(name, start, decays, shape);
    }

    /** Gaussian numbers by themselves. */
    float[] gaussian(double std, int count) {
      float[] start = new float[count];
      for (int i = 0; i < count; i++) start[i] = (float) (std * random.nextGaussian());
      return start;
    }

    /** One number everywhere; never decays. */
    void constant(String name, double value, long... shape) {
      float[] start = new float[count(shape)];
      Arrays.fill(start, (float) value);
      made.add(name, start, false, shape);
    }

    Parameters build() {
      made.allocate();
      return made;
    }

    private static int count(long[] shape) {
      long n = 1;
      for (long extent : shape) n *= extent;
      return Math.toIntExact(n);
    }
  }

  private Parameters() {
    try (Scope scope = Scope.open()) {
      Tensor none = scope.release(Tensor.zeros(DType.F32, 0));
      values = none;
      gradients = none;
      first = none;
      second = none;
      decay = none;
    }
  }

  private void add(String name, float[] start, boolean decays, long... shape) {
    if (entries.putIfAbsent(name, new Entry(size, start, decays, shape)) != null) {
      throw new IllegalArgumentException("twice: " + name);
    }
    size += start.length;
  }

  private void allocate() {
    float[] start = new float[Math.toIntExact(size)];
    float[] decaying = new float[start.length];
    for (Entry entry : entries.values()) {
      int at = (int) entry.offset();
      System.arraycopy(entry.start(), 0, start, at, entry.start().length);
      if (entry.decays()) Arrays.fill(decaying, at, at + entry.start().length, 1f);
    }
    try (Scope scope = Scope.open()) {
      values.close();
      values = own(scope, Tensor.of(start, size));
      gradients = own(scope, Tensor.zeros(DType.F32, size));
      first = own(scope, Tensor.zeros(DType.F32, size));
      second = own(scope, Tensor.zeros(DType.F32, size));
      decay = own(scope, Tensor.of(decaying, size));
      entries.forEach(
          (name, entry) ->
              leaves.put(name, own(scope, view(values, entry).trainable(view(gradients, entry)))));
    }
  }

  private Tensor own(Scope scope, Tensor tensor) {
    owned.add(scope.release(tensor));
    return tensor;
  }

  private static Tensor view(Tensor all, Entry entry) {
    return all.narrow(0, entry.offset(), entry.start().length).reshape(entry.shape());
  }

  /** A weight, as the graph uses it. */
  Tensor get(String name) {
    Tensor leaf = leaves.get(name);
    if (leaf == null) throw new IllegalArgumentException("no weight " + name);
    return leaf;
  }

  /** The names, in order. */
  Iterable<String> names() {
    return entries.keySet();
  }

  /** Number of weights. */
  long count() {
    return size;
  }

  /** Forgets the gradients. */
  void zeroGradients() {
    gradients.fillInPlace(0);
  }

  /** Euclidean norm of all gradients together. */
  double gradientNorm() {
    try (Scope scope = Scope.open()) {
      return gradients.norm(0).item();
    }
  }

  /** A weight's gradient, copied. */
  float[] gradient(String name) {
    try (Scope scope = Scope.open()) {
      return view(gradients, entry(name)).toFloats();
    }
  }

  private Entry entry(String name) {
    Entry entry = entries.get(name);
    if (entry == null) throw new IllegalArgumentException("no weight " + name);
    return entry;
  }

  /**
   * One step of AdamW (Loshchilov and Hutter 2019, algorithm 2) on gradients that are scaled down
   * to {@code clip} where their norm is larger.
   *
   * @param step 1 for the first update
   */
  void update(AdamW settings, double rate, int step) {
    try (Scope scope = Scope.open()) {
      double norm = gradientNorm();
      if (norm > settings.clip()) gradients.mulInPlace(settings.clip() / norm);
      first.mulInPlace(settings.beta1()).addInPlace(gradients, 1 - settings.beta1());
      second
          .mulInPlace(settings.beta2())
          .addProductInPlace(gradients, gradients, 1 - settings.beta2());
      values.addProductInPlace(values, decay, -rate * settings.weightDecay());
      double correction = Math.sqrt(1 - Math.pow(settings.beta2(), step));
      Tensor divisor = second.sqrt().mulInPlace(1 / correction).addInPlace(settings.eps());
      values.addQuotientInPlace(first, divisor, -rate / (1 - Math.pow(settings.beta1(), step)));
    }
  }

  /** Keeps a weight that is one number between two bounds. */
  void clamp(String name, double low, double high) {
    try (Scope scope = Scope.open()) {
      Tensor leaf = view(values, entry(name));
      leaf.fillInPlace(Math.min(high, Math.max(low, leaf.item())));
    }
  }

  /** A weight's numbers in another element type, for a file. */
  StoredTensor stored(String file, Tensor view, DType dtype) {
    try (Scope scope = Scope.open()) {
      Tensor tensor = view.to(dtype).contiguous();
      byte[] bytes = tensor.segment().toArray(java.lang.foreign.ValueLayout.JAVA_BYTE);
      return new StoredTensor(
          file, dtype, view.shape(), java.lang.foreign.MemorySegment.ofArray(bytes));
    }
  }

  /** Writes values and moments. */
  void save(Path file, Map<String, String> metadata) {
    StateFile.write(
        file,
        List.of(
            stored("values", values, DType.F32),
            stored("first", first, DType.F32),
            stored("second", second, DType.F32)),
        metadata);
  }

  /** Reads what {@link #save} wrote, and gives its metadata. */
  Map<String, String> load(Path file) {
    try (TensorFile stored = StateFile.open(file);
        Scope scope = Scope.open()) {
      for (var pair : Map.of("values", values, "first", first, "second", second).entrySet()) {
        StoredTensor tensor = stored.tensors().get(pair.getKey());
        if (tensor == null || tensor.dtype() != DType.F32 || tensor.elements() != size) {
          throw new InputException(
              file,
              "is no state of this model: " + pair.getKey() + " is missing or of another size",
              "Resume with the configuration it was started with, or start afresh");
        }
        pair.getValue().copyFrom(Tensor.of(tensor));
      }
      return stored.metadata();
    }
  }

  @Override
  public void close() {
    leaves.clear();
    owned.forEach(Tensor::close);
    owned.clear();
  }
}
