// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * What a vision tower answers with: logits {@code scale·(W·x + b)} of words, where x is the tower's
 * output. Zero-shot words are one such head, a trained linear probe is another.
 *
 * @param words one for each row of W
 * @param rows W [words,width], row by row; for zero-shot words unit text embeddings
 * @param bias b [words]; zeros for zero-shot words
 * @param scale factor of all logits, above 0
 * @param input what x is
 * @param sigmoidBias for zero-shot words of a model trained with a sigmoid: σ of a logit plus this
 *     is the probability that the word fits, whatever the other words; null for other heads
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record AnswerHead(
    List<String> words,
    float[] rows,
    int width,
    float[] bias,
    double scale,
    OutputPart input,
    @Nullable Double sigmoidBias) {

  /** A head whose words exclude each other. */
  public AnswerHead(
      List<String> words, float[] rows, int width, float[] bias, double scale, OutputPart input) {
    this(words, rows, width, bias, scale, input, null);
  }

  /** A part of a tower's output. */
  public enum OutputPart {
    /** The unit embedding. */
    EMBEDDING,
    /** The pooled, normed token before projection, at its own length. */
    POOLED
  }

  public AnswerHead {
    words = List.copyOf(words);
    if ((long) words.size() * width != rows.length || bias.length != words.size()) {
      throw new IllegalArgumentException(
          words.size() + " words, " + rows.length + " weights, " + bias.length + " biases");
    }
  }

  /**
   * Zero-shot words.
   *
   * @param scale the model's logit scale
   */
  public static AnswerHead zeroShot(TextLibrary library, double scale) {
    return zeroShot(library, scale, null);
  }

  /**
   * The same with what the model adds to its logits before a sigmoid.
   *
   * @param sigmoidBias null for a model trained with a softmax
   */
  public static AnswerHead zeroShot(
      TextLibrary library, double scale, @Nullable Double sigmoidBias) {
    List<String> words = library.words();
    float[] none = new float[words.size()];
    return new AnswerHead(
        words,
        library.embeddings(),
        library.width(),
        none,
        scale,
        OutputPart.EMBEDDING,
        sigmoidBias);
  }

  /** Whether a bias is not 0. */
  public boolean isBiased() {
    for (float b : bias) if (b != 0) return true;
    return false;
  }

  /** Some of the words, in the order of their rows here. */
  public AnswerHead some(int[] which) {
    List<String> some = new ArrayList<>();
    float[] ownRows = new float[which.length * width];
    float[] ownBias = new float[which.length];
    for (int k = 0; k < which.length; k++) {
      some.add(words.get(which[k]));
      System.arraycopy(rows, which[k] * width, ownRows, k * width, width);
      ownBias[k] = bias[which[k]];
    }
    return new AnswerHead(some, ownRows, width, ownBias, scale, input, sigmoidBias);
  }

  /** The part of a tower's output that the head reads [b,width]. */
  public Tensor reads(TowerOutput output) {
    return input == OutputPart.EMBEDDING ? output.embedding() : output.pooled();
  }

  /** Logits divided by the scale, F32 [b,words] on the CPU, in the current scope. */
  public Tensor scores(TowerOutput output) {
    return scores(reads(output).to(Device.CPU).to(DType.F32));
  }

  /** The same of outputs F32 [b,width]; differentiable. */
  public Tensor scores(Tensor outputs) {
    Tensor weights = Tensor.of(rows, words.size(), width);
    Tensor scores = outputs.matmul(weights.transpose(0, 1));
    return isBiased() ? scores.add(Tensor.of(bias, 1, words.size())) : scores;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof AnswerHead head
        && words.equals(head.words)
        && Arrays.equals(rows, head.rows)
        && Arrays.equals(bias, head.bias)
        && scale == head.scale
        && input == head.input
        && Objects.equals(sigmoidBias, head.sigmoidBias);
  }

  @Override
  public int hashCode() {
    int hash = 31 * words.hashCode() + Arrays.hashCode(rows);
    return 31 * (31 * hash + Arrays.hashCode(bias)) + Double.hashCode(scale);
  }
}
