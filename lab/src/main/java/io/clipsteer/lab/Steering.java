// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.ClipModel;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.Paused;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.sae.FeatureEdit;
import io.clipsteer.engine.sae.Sae;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/** Changes a feature inside the tower and asks again. */
public final class Steering {
  /**
   * A feature on one picture.
   *
   * @param feature its number
   * @param max largest activation over the tokens
   * @param mean mean activation over the tokens
   */
  public record Activity(int feature, double max, double mean) {}

  /**
   * Answers before and after.
   *
   * @param before best first
   * @param after best first
   * @param edited the edited features as they were on this picture
   * @param strongest the picture's strongest features, by mean activation
   */
  public record Result(
      List<ZeroShot.Answer> before,
      List<ZeroShot.Answer> after,
      List<Activity> edited,
      List<Activity> strongest) {}

  private static final int STRONGEST = 10;

  private Steering() {}

  /**
   * Steers one picture. The tower runs once to the hook point and goes on from there twice.
   *
   * @param pixels F32 [1,3,h,w]
   * @param top how many answers
   */
  public static Result run(
      ClipModel model,
      TextLibrary library,
      Sae sae,
      HookPoint point,
      Tensor pixels,
      List<Integer> features,
      FeatureEdit.Change change,
      TokenSelection tokens,
      int top) {
    ZeroShot.checkFits(model, library);
    int prefix = model.vision().config().prefixTokens();
    var edit = new FeatureEdit(sae, features, change, tokens, prefix);
    try (Scope scope = Scope.open()) {
      Paused paused = model.vision().runUntil(pixels, point, Hooks.NONE);
      Tensor before = model.vision().continueFrom(paused, Hooks.NONE).embedding();
      Paused steered = paused.with(edit.edit(point, paused.value()));
      Tensor after = model.vision().continueFrom(steered, Hooks.NONE).embedding();
      List<Activity> all = activities(sae, paused.value());
      return new Result(
          ZeroShot.answers(before, library, model.logitScale(), top).getFirst(),
          ZeroShot.answers(after, library, model.logitScale(), top).getFirst(),
          features.stream().map(all::get).toList(),
          all.stream()
              .sorted(Comparator.comparingDouble(Activity::mean).reversed())
              .filter(a -> a.max > 0)
              .limit(STRONGEST)
              .toList());
    }
  }

  /** Every feature's activity over one picture's tokens [1,t,d]. */
  private static List<Activity> activities(Sae sae, Tensor residual) {
    try (Scope scope = Scope.open()) {
      long t = residual.size(1);
      Tensor rows = residual.to(DType.F32).reshape(t, residual.size(2)).contiguous();
      var code = sae.encode(rows).code();
      long[] indices = code.indices().to(DType.I64).toLongs();
      float[] values = code.values().toFloats();
      double[] max = new double[sae.features()];
      double[] sum = new double[sae.features()];
      for (int i = 0; i < values.length; i++) {
        int feature = (int) indices[i];
        max[feature] = Math.max(max[feature], values[i]);
        sum[feature] += values[i];
      }
      List<Activity> all = new ArrayList<>();
      for (int f = 0; f < max.length; f++) all.add(new Activity(f, max[f], sum[f] / t));
      return all;
    }
  }
}
