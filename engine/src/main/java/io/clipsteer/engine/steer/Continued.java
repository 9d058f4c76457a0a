// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.steer;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.Paused;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.engine.model.VisionTower;
import io.clipsteer.kernels.SteerKernels;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Edits at any layer: keeps the images' residuals at the hook point and continues the tower from
 * there with many edited copies at once.
 */
public final class Continued implements Sweep {
  /** Numbers of edited residuals per batch; larger batches are not faster. */
  private static final long BATCH = 4L << 20;

  private final VisionTower tower;
  private final double scale;
  private final Paused paused;
  private final Tensor residuals;
  private final Tensor texts;
  private final Tensor before;
  private final int words;

  /**
   * Prepares images.
   *
   * @param paused the tower at the hook point [images,t,d]
   * @param scale factor of the cosines
   */
  public Continued(VisionTower tower, Paused paused, TextLibrary library, double scale) {
    this.tower = tower;
    this.scale = scale;
    words = library.words().size();
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
      Tensor exact = AnswerShift.centred(library);
      texts = scope.release(exact.to(DType.F32).contiguous());
      before = scope.release(AnswerShift.probabilities(embeddings(this.paused, 64), exact, scale));
    }
  }

  /** Embeddings of all images, {@code piece} at a time, F32 [images,e] on the CPU. */
  private Tensor embeddings(Paused all, int piece) {
    List<Tensor> parts = new ArrayList<>();
    for (int at = 0; at < images(); at += piece) {
      try (Scope scope = Scope.open()) {
        Paused part = part(all, at, Math.min(at + piece, images()));
        parts.add(scope.keep(tower.continueFrom(part, Hooks.NONE).embedding().to(Device.CPU)));
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
    long each = (long) n * tokens() * directions.size(1);
    AnswerShift.inBlocks(
        directions,
        BATCH / each,
        (some, at) -> {
          int count = Math.toIntExact(some.size(0));
          Tensor logits = logits(some, shifts, at, part(paused, from, to));
          Tensor unedited = before.narrow(0, from, n);
          var input =
              AnswerShift.input(logits, true, Tensor.zeros(DType.F32, words), unedited, groups);
          double[] weights = new double[count * n * SteerKernels.WEIGHTS];
          for (int w = 0; w < weights.length; w += SteerKernels.WEIGHTS) weights[w] = scale;
          AnswerShift.sweep(input, Tensor.zeros(DType.F32, count, words), weights, at, sink);
        });
  }

  /** Cosines with the centred words, F32 [count·n,words], of edited copies of n images. */
  private Tensor logits(Tensor directions, float[] shifts, int first, Paused part) {
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
      Tensor embedding =
          tower.continueFrom(new Paused(part.at(), edited, middle), Hooks.NONE).embedding();
      return scope.keep(embedding.to(Device.CPU).matmul(texts).contiguous());
    }
  }

  @Override
  public void close() {
    paused.value().close();
    if (paused.middle() != null) paused.middle().close();
    residuals.close();
    texts.close();
    before.close();
  }
}
