// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.checkpoint;

import io.clipsteer.data.preprocess.Preprocessing;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.data.tensor.TensorFile;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.TextTower;
import io.clipsteer.engine.model.VisionTower;
import java.nio.file.Path;
import java.util.List;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * A vision transformer with, where the checkpoint has them, CLIP's text tower, tokenizer and logit
 * scale. Its weights are native memory and live until {@link #close}; so does the mapping of its
 * file, from which texts read the vectors of their tokens.
 */
@API(status = API.Status.MAINTAINED, since = "0.1")
public final class ClipModel implements AutoCloseable {
  /**
   * What a checkpoint turned out to be.
   *
   * @param path file or folder it was read from
   * @param family naming scheme and architecture, as {@code hf-clip} or {@code open-clip-timm}
   * @param weights the weight file
   * @param parameters number of weights in use
   * @param ignored tensors of the file that take no part
   */
  public record Origin(
      Path path, String family, Path weights, long parameters, List<String> ignored) {}

  private final Origin source;
  private final VisionTower vision;
  private final @Nullable TextTower text;
  private final @Nullable Tokenizer tokenizer;
  private final Preprocessing preprocessing;
  private final Checkpoint.Scores scores;
  private final Weights weights;

  /** What is freed with the model: its tensors, and the file that token vectors stay in. */
  record Weights(List<Tensor> tensors, TensorFile file) implements AutoCloseable {
    @Override
    public void close() {
      for (Tensor tensor : tensors) tensor.close();
      file.close();
    }
  }

  ClipModel(
      Origin source,
      VisionTower vision,
      @Nullable TextTower text,
      @Nullable Tokenizer tokenizer,
      Preprocessing preprocessing,
      Checkpoint.Scores scores,
      Weights weights) {
    this.source = source;
    this.vision = vision;
    this.text = text;
    this.tokenizer = tokenizer;
    this.preprocessing = preprocessing;
    this.scores = scores;
    this.weights = weights;
  }

  /** Reads a checkpoint in F32 on the CPU. */
  public static ClipModel load(Path path) {
    return load(path, DType.F32, Device.CPU);
  }

  /**
   * Reads a checkpoint: a Hugging Face, open_clip or timm folder, or an OpenAI {@code .pt} file.
   *
   * @param dtype F32 or BF16: element type of weights and residual stream
   */
  public static ClipModel load(Path path, DType dtype, Device device) {
    return Checkpoint.load(path, dtype, device);
  }

  /**
   * A checkpoint's facts, without memory for its weights: names and shapes are checked as by {@link
   * #load}, values are not. Its towers cannot run.
   */
  public static ClipModel plan(Path path) {
    return Checkpoint.load(path, DType.F32, Device.NONE);
  }

  /** What the checkpoint turned out to be. */
  public Origin source() {
    return source;
  }

  /** The image side. */
  public VisionTower vision() {
    return vision;
  }

  /** The text side, or null when the checkpoint has none. */
  public @Nullable TextTower text() {
    return text;
  }

  /** The tokenizer that lay beside the weights, or null. */
  public @Nullable Tokenizer tokenizer() {
    return tokenizer;
  }

  /** How an image becomes the vision tower's input. */
  public Preprocessing preprocessing() {
    return preprocessing;
  }

  /** What cosines are multiplied by before softmax: exp of the learned scale, about 100. */
  public double logitScale() {
    return Math.exp(scores.logScale());
  }

  /**
   * What is added to the scaled cosines of a model that was trained with a sigmoid: σ of the sum is
   * the probability that a text fits an image. Null for other models.
   */
  public @Nullable Double logitBias() {
    return scores.bias();
  }

  @Override
  public void close() {
    weights.close();
    if (tokenizer != null) tokenizer.close();
  }
}
