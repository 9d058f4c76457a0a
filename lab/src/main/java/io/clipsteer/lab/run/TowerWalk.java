// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.run;

import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.Paused;
import io.clipsteer.engine.model.SelectedTokens;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.model.VisionTower;
import java.util.Collection;
import java.util.List;
import java.util.function.Consumer;

/**
 * One pass through a tower that pauses at hook points on the way.
 *
 * @param points at least one, each once, in the tower's order
 */
public record TowerWalk(VisionTower tower, List<HookPoint> points) {
  /** A walk past hook points in any order, which may name one of them several times. */
  public static TowerWalk past(VisionTower tower, Collection<HookPoint> points) {
    if (points.isEmpty()) throw new IllegalArgumentException("no hook point");
    return new TowerWalk(tower, points.stream().distinct().sorted().toList());
  }

  /**
   * Walks.
   *
   * @param pixels F32 [b,3,h,w]
   * @param reader receives every pause in turn; the pause before is closed by then, because those
   *     of a deep tower would fill the memory
   * @return the last pause
   */
  public Paused walk(Tensor pixels, Consumer<Paused> reader) {
    Paused paused = null;
    for (HookPoint point : points) {
      Paused before = paused;
      try (Scope scope = Scope.open()) {
        Paused next =
            before == null
                ? tower.runUntil(pixels, point, Hooks.NONE)
                : tower.continueUntil(before, point, Hooks.NONE);
        paused = next.map(scope::keep);
      }
      if (before != null) before.close();
      reader.accept(paused);
    }
    if (paused == null) throw new IllegalStateException("there is at least one hook point");
    return paused;
  }

  /** Floating-point operations of the walk for one image. */
  public double flopsPerImage() {
    return tower.flopsPerImage() - tower.flopsAfter(points.getLast().layer());
  }

  /** A pause's selected tokens, F32 [b·count,d] on the CPU. */
  public Tensor selected(TokenSelection tokens, Paused paused) {
    return SelectedTokens.of(paused.value(), tokens, tower.config().prefixTokens()).rows();
  }
}
