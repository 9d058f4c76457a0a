// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae.train;

import io.clipsteer.data.InputException;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.data.tensor.StateFile;
import io.clipsteer.data.tensor.StoredTensor;
import io.clipsteer.data.tensor.TensorFile;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.sae.InputNormalisation;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/** All that training steps change, as a state file stores it. */
final class SaeTrainerState implements AutoCloseable {
  private static final double THRESHOLD_RATE = 0.01;

  /** The threshold averages a tenth of the steps, until its rate reaches {@code THRESHOLD_RATE}. */
  private static final double THRESHOLD_STEPS = 10;

  final SaeWeights weights;
  InputNormalisation normalisation;

  /** Updates done. */
  int steps;

  /** Share of features active in the latest step. */
  double density = 0.5;

  /** Smallest entry of the latest step's BatchTopK code. */
  float cut;

  /** Running mean of {@link #cut}: the threshold of inference. */
  double threshold;

  /** Tokens since each feature last fired; all count as alive at first. */
  private final long[] quiet;

  /** Initially no feature is dead. */
  SaeTrainerState(SaeWeights weights, InputNormalisation normalisation) {
    this.weights = weights;
    this.quiet = new long[(int) weights.decoder().value().size(0)];
    this.normalisation = normalisation;
  }

  /**
   * Dead features in ascending order.
   *
   * @param deadTokens number of tokens without firing after which a feature is dead
   */
  long[] dead(long deadTokens) {
    return IntStream.range(0, quiet.length)
        .filter(f -> quiet[f] >= deadTokens)
        .asLongStream()
        .toArray();
  }

  /**
   * Records a batch.
   *
   * @param counts on how many of its tokens each feature was active
   * @param tokens its number of tokens
   */
  void record(long[] counts, int tokens) {
    for (int f = 0; f < counts.length; f++) quiet[f] = counts[f] > 0 ? 0 : quiet[f] + tokens;
  }

  /** Moves the threshold of inference towards the latest cut. */
  void moveThreshold(float latest) {
    cut = latest;
    // In a short training a slow mean would still remember its first steps.
    double rate = Math.max(THRESHOLD_RATE, THRESHOLD_STEPS / (steps + THRESHOLD_STEPS));
    threshold += rate * (latest - threshold);
  }

  /** Counts resampled features as if they had just fired. */
  void restart(long[] features) {
    for (long f : features) quiet[(int) f] = 0;
  }

  void save(Path file) {
    List<StoredTensor> tensors = new ArrayList<>();
    try (Scope scope = Scope.open()) {
      weights
          .named()
          .forEach(
              (name, w) -> {
                tensors.add(stored(name, DType.F32, w.value()));
                tensors.add(stored(name + ".first", DType.F32, w.first()));
                tensors.add(stored(name + ".second", DType.F32, w.second()));
              });
      tensors.add(stored("quiet", DType.I64, Tensor.of(quiet, quiet.length)));
      double scale = 0;
      if (normalisation instanceof InputNormalisation.Standardise(float[] mean, double own)) {
        tensors.add(stored("input_mean", DType.F32, Tensor.of(mean, mean.length)));
        scale = own;
      }
      StateFile.write(
          file,
          tensors,
          Map.of(
              "steps", Integer.toString(steps),
              "input_scale", Double.toHexString(scale),
              "density", Double.toHexString(density),
              "cut", Float.toHexString(cut),
              "threshold", Double.toHexString(threshold)));
    }
  }

  private static StoredTensor stored(String name, DType dtype, Tensor tensor) {
    return new StoredTensor(name, dtype, tensor.shape(), tensor.to(Device.CPU).segment());
  }

  void resume(Path file) {
    try (TensorFile stored = StateFile.open(file);
        Scope scope = Scope.open()) {
      weights
          .named()
          .forEach(
              (name, w) -> {
                long[] shape = w.value().shape();
                w.value().copyFrom(tensor(stored, name, DType.F32, shape));
                w.first().copyFrom(tensor(stored, name + ".first", DType.F32, shape));
                w.second().copyFrom(tensor(stored, name + ".second", DType.F32, shape));
              });
      long[] silence = tensor(stored, "quiet", DType.I64, quiet.length).toLongs();
      System.arraycopy(silence, 0, quiet, 0, quiet.length);
      Map<String, String> notes = stored.metadata();
      if (normalisation instanceof InputNormalisation.Standardise) {
        long width = weights.decoder().value().size(1);
        normalisation =
            new InputNormalisation.Standardise(
                tensor(stored, "input_mean", DType.F32, width).toFloats(),
                Double.parseDouble(notes.getOrDefault("input_scale", "")));
      }
      steps = Integer.parseInt(notes.getOrDefault("steps", ""));
      density = Double.parseDouble(notes.getOrDefault("density", ""));
      cut = Float.parseFloat(notes.getOrDefault("cut", ""));
      threshold = Double.parseDouble(notes.getOrDefault("threshold", ""));
    } catch (NumberFormatException e) {
      throw new InputException(file, "is not the state of an SAE in training", "Train afresh", e);
    }
    weights.updateShortEncoder();
  }

  private static Tensor tensor(TensorFile file, String name, DType dtype, long... shape) {
    StoredTensor stored = file.get(name);
    if (stored.dtype() != dtype || !Arrays.equals(stored.shape(), shape)) {
      throw new InputException(
          file.path(),
          "tensor " + name + " is " + Arrays.toString(stored.shape()),
          "This state belongs to another configuration: train afresh");
    }
    return Tensor.of(stored);
  }

  @Override
  public void close() {
    weights.close();
  }
}
