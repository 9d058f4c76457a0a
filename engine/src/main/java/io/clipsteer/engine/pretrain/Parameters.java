// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.pretrain;

import io.clipsteer.data.InputException;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.data.tensor.StateFile;
import io.clipsteer.data.tensor.StoredTensor;
import io.clipsteer.data.tensor.TensorFile;
import io.clipsteer.engine.AdamWeights;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.kernels.SparseKernels;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * All weights of a model in one vector, with their gradients and AdamW's moments in vectors of the
 * same layout. One update is a handful of passes over memory, and the state is four tensors.
 */
final class Parameters implements AutoCloseable {
  private record Weight(long offset, float[] start, boolean decays, long[] shape) {}

  private final Map<String, Weight> entries;
  private final Map<String, Tensor> leaves = new LinkedHashMap<>();
  private final long size;
  private final AdamWeights weights;
  private final Tensor gradients;
  private final Tensor decay;

  /** Collects the weights of a model: names, shapes and initial values, in the order of calls. */
  static final class Builder {
    private final Map<String, Weight> entries = new LinkedHashMap<>();
    private final SplittableRandom random;
    private long size;

    Builder(long seed) {
      random = new SplittableRandom(seed);
    }

    /** Gaussian numbers. */
    void gaussian(String name, double std, boolean decays, long... shape) {
      values(name, gaussian(std, count(shape)), decays, shape);
    }

    /** The given numbers. */
    void values(String name, float[] start, boolean decays, long... shape) {
      if (start.length != count(shape)) throw new IllegalArgumentException(name);
      if (entries.putIfAbsent(name, new Weight(size, start, decays, shape)) != null) {
        throw new IllegalArgumentException("twice: " + name);
      }
      size += start.length;
    }

    /** A sample of Gaussian numbers, without declaring a weight. */
    float[] gaussian(double std, int count) {
      float[] start = new float[count];
      for (int i = 0; i < count; i++) start[i] = (float) (std * random.nextGaussian());
      return start;
    }

    /** One number everywhere; without weight decay. */
    void constant(String name, double value, long... shape) {
      float[] start = new float[count(shape)];
      Arrays.fill(start, (float) value);
      values(name, start, false, shape);
    }

    Parameters build() {
      return new Parameters(entries, size);
    }

    private static int count(long[] shape) {
      long n = 1;
      for (long extent : shape) n *= extent;
      return Math.toIntExact(n);
    }
  }

  private Parameters(Map<String, Weight> entries, long size) {
    this.entries = entries;
    this.size = size;
    float[] start = new float[Math.toIntExact(size)];
    float[] decaying = new float[start.length];
    for (Weight entry : entries.values()) {
      int at = (int) entry.offset();
      System.arraycopy(entry.start(), 0, start, at, entry.start().length);
      if (entry.decays()) Arrays.fill(decaying, at, at + entry.start().length, 1f);
    }
    try (Scope scope = Scope.open()) {
      weights = AdamWeights.of(Tensor.of(start, size), scope);
      gradients = scope.release(Tensor.zeros(DType.F32, size));
      decay = scope.release(Tensor.of(decaying, size));
      entries.forEach(
          (name, entry) ->
              leaves.put(
                  name,
                  scope.release(view(weights.value(), entry).trainable(view(gradients, entry)))));
    }
  }

  private static Tensor view(Tensor all, Weight entry) {
    return all.narrow(0, entry.offset(), entry.start().length).reshape(entry.shape());
  }

  /** A weight as a leaf of the graph. */
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

  /** Sets the gradients to zero. */
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

  private Weight entry(String name) {
    Weight entry = entries.get(name);
    if (entry == null) throw new IllegalArgumentException("no weight " + name);
    return entry;
  }

  /**
   * One step of AdamW (Loshchilov and Hutter 2019, algorithm 2) on gradients clipped to norm {@code
   * clip}.
   *
   * @param step 1 for the first update
   */
  void update(AdamW settings, double rate, int step) {
    try (Scope scope = Scope.open()) {
      double norm = gradientNorm();
      if (norm > settings.clip()) gradients.mulInPlace(settings.clip() / norm);
      Tensor values = weights.value();
      values.addProductInPlace(values, decay, -rate * settings.weightDecay());
      weights.update(
          gradients,
          new SparseKernels.Adam(
              rate, settings.beta1(), settings.beta2(), settings.eps(), step, 1));
    }
  }

  /** Clamps a weight that is one number. */
  void clamp(String name, double low, double high) {
    try (Scope scope = Scope.open()) {
      Tensor leaf = view(weights.value(), entry(name));
      leaf.fillInPlace(Math.min(high, Math.max(low, leaf.item())));
    }
  }

  /** A weight's numbers in another element type, for a file. */
  StoredTensor stored(String file, Tensor view, DType dtype) {
    try (Scope scope = Scope.open()) {
      Tensor tensor = view.to(dtype).contiguous();
      byte[] bytes = tensor.segment().toArray(ValueLayout.JAVA_BYTE);
      return new StoredTensor(file, dtype, view.shape(), MemorySegment.ofArray(bytes));
    }
  }

  /** Writes values and moments. */
  void save(Path file, Map<String, String> metadata) {
    StateFile.write(
        file,
        List.of(
            stored("values", weights.value(), DType.F32),
            stored("first", weights.first(), DType.F32),
            stored("second", weights.second(), DType.F32)),
        metadata);
  }

  /** Reads what {@link #save} wrote; returns its metadata. */
  Map<String, String> load(Path file) {
    try (TensorFile stored = StateFile.open(file);
        Scope scope = Scope.open()) {
      var own =
          Map.of("values", weights.value(), "first", weights.first(), "second", weights.second());
      for (var pair : own.entrySet()) {
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
    leaves.values().forEach(Tensor::close);
    leaves.clear();
    weights.close();
    gradients.close();
    decay.close();
  }
}
