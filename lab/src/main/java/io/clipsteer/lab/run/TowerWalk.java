// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.run;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.Paused;
import io.clipsteer.engine.model.Site;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.model.VisionTower;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.function.Consumer;

/**
 * Through a tower once, stopping at hook points on the way.
 *
 * @param points at least one, each once, in the tower's order
 */
public record TowerWalk(VisionTower tower, List<HookPoint> points) {
  /** A walk past all of these, in any order, some perhaps named twice. */
  public static TowerWalk past(VisionTower tower, Collection<HookPoint> points) {
    if (points.isEmpty()) throw new IllegalArgumentException("no hook point");
    // In the tower's order: a block's MLP before its end.
    return new TowerWalk(
        tower,
        points.stream()
            .distinct()
            .sorted(
                Comparator.comparingInt(HookPoint::layer)
                    .thenComparing(point -> point.site() == Site.RESID_POST))
            .toList());
  }

  /**
   * Walks.
   *
   * @param pixels F32 [b,3,h,w]
   * @param reader is shown every hook point in turn; the pause before is closed by then, since a
   *     deep tower's would add up
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
        scope.keep(next.value());
        if (next.middle() != null) scope.keep(next.middle());
        paused = next;
      }
      if (before != null) {
        before.value().close();
        if (before.middle() != null) before.middle().close();
      }
      reader.accept(paused);
    }
    if (paused == null) throw new IllegalStateException("there is at least one hook point");
    return paused;
  }

  /** A pause's selected tokens, F32 [b·count,d] on the CPU. */
  public Tensor selected(TokenSelection tokens, Paused paused) {
    int prefix = tower.config().prefixTokens();
    Tensor value = paused.value();
    int count = tokens.count(prefix, (int) value.size(1));
    return value
        .narrow(1, tokens.first(prefix), count)
        .to(Device.CPU)
        .to(DType.F32)
        .reshape(value.size(0) * count, value.size(2))
        .contiguous();
  }
}
