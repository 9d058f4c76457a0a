// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.selectivity;

import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.AnswerHead;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.Paused;
import io.clipsteer.engine.model.VisionTower;
import io.clipsteer.lab.probe.Probe;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Answers by the rest of the tower, from the edited hook point on: for images, and for patches
 * whose head reads a later layer, where attention carries an edit from token to token.
 *
 * @param whole the head of images; null for patches
 * @param unedited logits of all items
 * @param probe the head of patches
 */
record Continuing(
    VisionTower tower,
    HookPoint point,
    KeptImages kept,
    Items items,
    Probe probe,
    @Nullable AnswerHead whole,
    float[] unedited,
    int[] before)
    implements EditedAnswers {
  /** Images that continue together. */
  private static final int TOGETHER = 64;

  static Continuing of(
      VisionTower tower,
      HookPoint point,
      KeptImages kept,
      Probe probe,
      @Nullable AnswerHead whole) {
    Items items = Items.of(kept, whole == null);
    float[] unedited = new float[items.count() * probe.classes().size()];
    int[] before = new int[items.count()];
    var answers = new Continuing(tower, point, kept, items, probe, whole, unedited, before);
    for (int from = 0; from < kept.images(); from += TOGETHER) {
      int[] images = IntStream.range(from, Math.min(from + TOGETHER, kept.images())).toArray();
      try (Scope scope = Scope.open()) {
        answers.put(answers.logits(kept.residuals(images)), images, unedited);
      }
    }
    int[] best = Probe.best(unedited, answers.classes());
    System.arraycopy(best, 0, before, 0, before.length);
    return answers;
  }

  @Override
  public void under(float[] directions, float[] shifts, AnswerTaker taker) {
    int d = kept.width();
    for (int k = 0; k < directions.length / d; k++) {
      float[] direction = Arrays.copyOfRange(directions, k * d, (k + 1) * d);
      taker.take(k, together(direction, List.of(shifts)));
    }
  }

  @Override
  public int[] together(float[] directions, List<float[]> shifts) {
    return Probe.best(logits(directions, shifts), classes());
  }

  @Override
  public int classes() {
    return probe.classes().size();
  }

  @Override
  public float[] logits(float[] directions, List<float[]> shifts) {
    int each = kept.each();
    int n = shifts.size();
    int[] moving =
        IntStream.range(0, kept.images()).filter(image -> moves(shifts, image)).toArray();
    float[] all = unedited.clone();
    for (int from = 0; from < moving.length; from += TOGETHER) {
      int[] images = Arrays.copyOfRange(moving, from, Math.min(from + TOGETHER, moving.length));
      float[] mine = new float[images.length * each * n];
      for (int row = 0; row < images.length * each; row++) {
        int token = images[row / each] * each + row % each;
        for (int k = 0; k < n; k++) mine[row * n + k] = shifts.get(k)[token];
      }
      try (Scope scope = Scope.open()) {
        Tensor moved =
            Tensor.of(mine, (long) images.length * each, n)
                .matmul(Tensor.of(directions, n, kept.width()))
                .reshape(images.length, each, kept.width())
                .addInPlace(kept.residuals(images));
        put(logits(moved), images, all);
      }
    }
    return all;
  }

  /** Puts the logits of some images among those of all. */
  private void put(float[] some, int[] images, float[] all) {
    int length = items.each() * classes();
    for (int i = 0; i < images.length; i++) {
      System.arraycopy(some, i * length, all, images[i] * length, length);
    }
  }

  private boolean moves(List<float[]> shifts, int image) {
    for (float[] own : shifts) {
      for (int t = image * kept.each(); t < (image + 1) * kept.each(); t++) {
        if (own[t] != 0) return true;
      }
    }
    return false;
  }

  /** Logits of the items of images with these residuals. */
  private float[] logits(Tensor residuals) {
    Paused edited = new Paused(point, residuals.to(tower.device()).to(tower.dtype()), null);
    if (whole != null) return whole.scores(tower.continueFrom(edited, Hooks.NONE)).toFloats();
    HookPoint end = HookPoint.residPost(probe.reads().layer());
    Tensor value =
        end.equals(point) ? edited.value() : tower.continueUntil(edited, end, Hooks.NONE).value();
    return probe.patchLogits(tower, value);
  }

  @Override
  public void close() {
    // The images are the caller's.
  }
}
