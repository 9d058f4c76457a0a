// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.selectivity;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.ReadOut;
import io.clipsteer.engine.steer.LargestLogit;
import io.clipsteer.lab.probe.Probe;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Answers for patches where the head reads the very hook point that is edited, in closed form: with
 * the final norm's gain g and shift h, x and r centred, and {@code q² = |x + s·r|²/d + ε}, the
 * logits times q are {@code W(g·x) + s·W(g·r) + q·(W·h + b)}. A patch answers for itself alone.
 */
final class LastPatches implements EditedAnswers {
  /** Patches that are answered for together, so that their logits stay in the cache. */
  private static final int BLOCK = 256;

  private final Items items;
  private final int classes;
  private final double eps;
  private final Tensor centred;
  private final Tensor gain;
  private final Tensor weights;
  private final float[] own;
  private final float[] common;
  private final float[] squares;
  private final int[] patchTokens;
  private final int[] before;

  LastPatches(KeptImages kept, ReadOut norm, Probe probe) {
    items = Items.of(kept, true);
    classes = probe.classes().size();
    eps = norm.eps();
    patchTokens =
        IntStream.range(0, kept.images() * kept.each()).filter(t -> items.of(t) >= 0).toArray();
    long[] rows = Arrays.stream(patchTokens).asLongStream().toArray();
    try (Scope scope = Scope.open()) {
      int d = kept.width();
      gain = scope.release(norm.gain().to(Device.CPU).to(DType.F32).reshape(1, d).copy());
      Tensor shift = norm.shift().to(Device.CPU).to(DType.F32).reshape(1, d);
      weights =
          scope.release(Tensor.of(probe.weights(), classes, d).transpose(0, 1).contiguous().copy());
      Tensor x = kept.tokens().indexSelect(0, Tensor.of(rows, rows.length));
      centred = scope.release(x.sub(x.mean(1, true)).copy());
      own = logits(centred).toFloats();
      common = shift.matmul(weights).addInPlace(Tensor.of(probe.bias(), 1, classes)).toFloats();
      squares = centred.mul(centred).mean(1, false).toFloats();
    }
    before = new int[patchTokens.length];
    var unmoved = new LargestLogit(own, new float[classes], common);
    float[] scratch = new float[classes];
    for (int i = 0; i < before.length; i++) {
      float q = (float) Math.sqrt(squares[i] + eps);
      before[i] = unmoved.of(i, 0, 0, q, scratch);
    }
  }

  private Tensor logits(Tensor rows) {
    return rows.mul(gain).matmul(weights);
  }

  @Override
  public Items items() {
    return items;
  }

  @Override
  public int[] before() {
    return before;
  }

  @Override
  public void under(float[] directions, float[] shifts, AnswerTaker taker) {
    int d = (int) centred.size(1);
    int count = directions.length / d;
    float[] along;
    float[] across;
    float[] lengths;
    try (Scope scope = Scope.open()) {
      Tensor r = Tensor.of(directions, count, d);
      r = r.sub(r.mean(1, true));
      along = centred.matmul(r.transpose(0, 1)).mulInPlace(1.0 / d).toFloats();
      across = logits(r).toFloats();
      lengths = r.mul(r).mean(1, false).toFloats();
    }
    int n = patchTokens.length;
    var moved = new LargestLogit(own, across, common);
    List<int[]> answers = new ArrayList<>();
    for (int k = 0; k < count; k++) answers.add(new int[n]);
    IntStream.range(0, (n + BLOCK - 1) / BLOCK)
        .parallel()
        .forEach(
            block -> {
              int to = Math.min(n, (block + 1) * BLOCK);
              float[] logits = new float[classes];
              for (int k = 0; k < count; k++) {
                int[] mine = answers.get(k);
                for (int i = block * BLOCK; i < to; i++) {
                  float s = shifts[patchTokens[i]];
                  if (s == 0) {
                    mine[i] = before[i];
                    continue;
                  }
                  double q2 = squares[i] + 2.0 * s * along[i * count + k] + s * s * lengths[k];
                  float q = (float) Math.sqrt(q2 + eps);
                  mine[i] = moved.of(i, k, s, q, logits);
                }
              }
            });
    for (int k = 0; k < count; k++) taker.take(k, answers.get(k));
  }

  @Override
  public int classes() {
    return classes;
  }

  @Override
  public int[] together(float[] directions, List<float[]> shifts) {
    if (shifts.size() == 1) {
      List<int[]> one = new ArrayList<>();
      under(directions, shifts.getFirst(), (k, answers) -> one.add(answers));
      return one.getFirst();
    }
    int[] answers = Probe.best(logits(directions, shifts), classes);
    for (int i = 0; i < answers.length; i++) {
      int token = patchTokens[i];
      if (shifts.stream().allMatch(own -> own[token] == 0)) answers[i] = before[i];
    }
    return answers;
  }

  @Override
  public float[] logits(float[] directions, List<float[]> shifts) {
    int d = (int) centred.size(1);
    int n = shifts.size();
    float[] mine = new float[patchTokens.length * n];
    for (int i = 0; i < patchTokens.length; i++) {
      for (int k = 0; k < n; k++) mine[i * n + k] = shifts.get(k)[patchTokens[i]];
    }
    try (Scope scope = Scope.open()) {
      Tensor moved = centred;
      if (n > 0) {
        Tensor r = Tensor.of(directions, n, d);
        r = r.sub(r.mean(1, true));
        moved = Tensor.of(mine, patchTokens.length, n).matmul(r).addInPlace(centred);
      }
      Tensor q = moved.mul(moved).mean(1, true).addInPlace(eps).sqrt();
      Tensor logits = logits(moved).div(q).addInPlace(Tensor.of(common, 1, classes));
      return logits.toFloats();
    }
  }

  @Override
  public void close() {
    centred.close();
    gain.close();
    weights.close();
  }
}
