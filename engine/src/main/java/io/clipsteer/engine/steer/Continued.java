// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.steer;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.SideBySide;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.AnswerHead;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.Paused;
import io.clipsteer.engine.model.TowerOutput;
import io.clipsteer.engine.model.VisionTower;
import io.clipsteer.kernels.SteerKernels;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Edits at any layer: keeps the images' residuals at the hook point and continues the tower from
 * there with many edited copies at once.
 */
public final class Continued implements Sweep {
  /** Numbers of edited residuals per batch; larger batches are not faster. */
  private static final long BATCH = 1L << 19;

  private final VisionTower tower;
  private final AnswerHead head;
  private final Paused paused;
  private final Tensor residuals;
  private final Tensor texts;
  private final Tensor before;
  private final @Nullable Sigmoids sigmoids;
  private final int words;

  /**
   * Prepares images.
   *
   * @param paused the tower at the hook point [images,t,d]
   */
  public Continued(VisionTower tower, Paused paused, AnswerHead head) {
    this.tower = tower;
    this.head = head;
    words = head.words().size();
    try (Scope scope = Scope.open()) {
      Tensor middle = paused.middle();
      this.paused =
          new Paused(
              paused.at(),
              scope.release(paused.value().copy()),
              middle == null ? null : scope.release(middle.copy()));
      residuals =
          scope.release(
              paused
                  .value()
                  .to(Device.CPU)
                  .to(DType.F32)
                  .reshape(-1, paused.value().size(2))
                  .copy());
      Tensor exact = AnswerShift.centred(head);
      texts = scope.release(exact.to(DType.F32).contiguous());
      Tensor outputs = outputs(this.paused, 64);
      before = scope.release(AnswerShift.probabilities(outputs, exact, head));
      Double bias = head.sigmoidBias();
      sigmoids = bias == null ? null : Sigmoids.of(head, bias, outputs.to(DType.F32), scope);
    }
  }

  /**
   * Probabilities by a sigmoid.
   *
   * @param rows F32 [e,words]
   * @param before without an edit, F32 [images,words]
   */
  private record Sigmoids(Tensor rows, double scale, double bias, Tensor before)
      implements AutoCloseable {
    static Sigmoids of(AnswerHead head, double bias, Tensor outputs, Scope scope) {
      Tensor rows =
          Tensor.of(head.rows(), head.words().size(), head.width()).transpose(0, 1).contiguous();
      Tensor before = probabilities(outputs, rows, head.scale(), bias);
      return new Sigmoids(scope.release(rows), head.scale(), bias, scope.release(before));
    }

    private static Tensor probabilities(Tensor outputs, Tensor rows, double scale, double bias) {
      return outputs.matmul(rows).mulInPlace(scale).addInPlace(bias).sigmoid();
    }

    /**
     * Σ of the changes over images, F32 [count,words].
     *
     * @param outputs F32 [count·n,e] of edited copies of n images
     * @param from first of these images
     */
    Tensor changes(Tensor outputs, int from, int n) {
      long words = rows.size(1);
      return probabilities(outputs, rows, scale, bias)
          .reshape(-1, n, words)
          .sub(before.narrow(0, from, n).reshape(1, n, words))
          .sum(1, false, DType.F32);
    }

    @Override
    public void close() {
      rows.close();
      before.close();
    }
  }

  /** What the head reads of all images, {@code piece} at a time, [images,e] on the CPU. */
  private Tensor outputs(Paused all, int piece) {
    List<Tensor> parts = new ArrayList<>();
    for (int at = 0; at < images(); at += piece) {
      try (Scope scope = Scope.open()) {
        Paused part = part(all, at, Math.min(at + piece, images()));
        TowerOutput output = tower.continueFrom(part, Hooks.NONE);
        parts.add(scope.keep(head.reads(output).to(Device.CPU)));
      }
    }
    return Tensor.concat(parts, 0);
  }

  private static Paused part(Paused all, int from, int to) {
    Tensor middle = all.middle();
    return new Paused(
        all.at(),
        all.value().narrow(0, from, to - from),
        middle == null ? null : middle.narrow(0, from, to - from));
  }

  @Override
  public int images() {
    return Math.toIntExact(paused.value().size(0));
  }

  @Override
  public int tokens() {
    return Math.toIntExact(paused.value().size(1));
  }

  @Override
  public Tensor residuals() {
    return residuals;
  }

  /** Probabilities without an edit, F32 [images,words]. */
  public Tensor before() {
    return before;
  }

  @Override
  public void run(Tensor directions, float[] shifts, int from, int to, int groups, Sink sink) {
    int n = to - from;
    int count = Math.toIntExact(directions.size(0));
    int block = (int) Math.clamp(BATCH / ((long) n * tokens() * directions.size(1)), 1, count);
    SideBySide.each(
        tower.device(),
        Math.ceilDiv(count, block),
        number -> {
          int at = number * block;
          try (Scope scope = Scope.open()) {
            Tensor some = directions.narrow(0, at, Math.min(block, count - at));
            run(some, shifts, at, from, to, groups, sink);
          }
        });
  }

  /** A block of edits, the first of which is number {@code at}. */
  private void run(Tensor some, float[] shifts, int at, int from, int to, int groups, Sink sink) {
    int n = to - from;
    int count = Math.toIntExact(some.size(0));
    Tensor outputs = outputs(some, shifts, at, part(paused, from, to));
    Tensor scores = outputs.matmul(texts);
    if (head.isBiased()) scores = scores.add(AnswerShift.bias(head));
    Tensor logits = scores.contiguous();
    Tensor changes = sigmoids == null ? null : sigmoids.changes(outputs, from, n);
    Tensor unedited = before.narrow(0, from, n);
    var input = AnswerShift.input(logits, true, Tensor.zeros(DType.F32, words), unedited, groups);
    double[] weights = new double[count * n * SteerKernels.WEIGHTS];
    for (int w = 0; w < weights.length; w += SteerKernels.WEIGHTS) weights[w] = head.scale();
    Sink all = changes == null ? sink : withSigmoids(changes.toFloats(), at, sink);
    AnswerShift.sweep(input, Tensor.zeros(DType.F32, count, words), weights, at, all);
  }

  private Sink withSigmoids(float[] changes, int first, Sink sink) {
    return (edit, shift) -> {
      int row = (edit - first) * words;
      sink.accept(edit, shift.withSigmoids(Arrays.copyOfRange(changes, row, row + words)));
    };
  }

  /** What the head reads of edited copies of n images, F32 [count·n,e] on the CPU. */
  private Tensor outputs(Tensor directions, float[] shifts, int first, Paused part) {
    long count = directions.size(0);
    long n = part.value().size(0);
    long t = part.value().size(1);
    long d = part.value().size(2);
    try (Scope scope = Scope.open()) {
      float[] mine = new float[Math.toIntExact(count * n * t)];
      System.arraycopy(shifts, Math.toIntExact(first * n * t), mine, 0, mine.length);
      Tensor along = Tensor.of(mine, count, n * t, 1);
      Tensor edited =
          along
              .matmul(directions.reshape(count, 1, d))
              .to(tower.device())
              .addInPlace(part.value().to(DType.F32).reshape(1, n * t, d))
              .reshape(count * n, t, d)
              .to(tower.dtype());
      @Nullable Tensor middle = part.middle();
      if (middle != null) {
        middle =
            middle.reshape(1, n, t, d).expand(count, n, t, d).reshape(count * n, t, d).contiguous();
      }
      TowerOutput output = tower.continueFrom(new Paused(part.at(), edited, middle), Hooks.NONE);
      return scope.keep(head.reads(output).to(Device.CPU).to(DType.F32));
    }
  }

  @Override
  public void close() {
    paused.value().close();
    if (paused.middle() != null) paused.middle().close();
    residuals.close();
    texts.close();
    before.close();
    if (sigmoids != null) sigmoids.close();
  }
}
