// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

import io.clipsteer.engine.Scope;
import io.clipsteer.engine.SideBySide;
import io.clipsteer.engine.Tensor;
import java.util.List;

/**
 * A tower's blocks, run from any hook point to a later one, applying the hooks between them.
 *
 * @param causal whether a token attends only to itself and to those before it
 * @param prefix tokens before the patches, which rotary positions do not turn
 */
record BlockStack(
    TowerKind tower, List<Block> blocks, TowerShape shape, boolean causal, int prefix) {

  int layers() {
    return blocks.size();
  }

  /**
   * The residual stream after the last block, from the stream before the first one.
   *
   * @param wanted number of leading tokens that the caller reads; the last block computes no others
   *     unless a hook reads them
   */
  Tensor run(Tensor embedded, int wanted, Hooks hooks) {
    hooks.check(tower, layers());
    Tensor last = run(0, embedded, wanted, hooks);
    // An edit may overflow, which its caller reports.
    if (hooks.isEmpty()) NotFiniteException.check(point(layers() - 1, Site.RESID_POST), last);
    return last;
  }

  /** Runs to {@code stop} and applies the hooks on the way, those at {@code stop} included. */
  Paused runUntil(Tensor embedded, HookPoint stop, Hooks hooks) {
    hooks.check(tower, layers());
    Hooks.checkPoint(stop, tower, layers());
    return until(0, embedded, stop, hooks);
  }

  /**
   * Continues from {@code from} to a later {@code stop}; hooks at {@code from} are not applied
   * again, those at {@code stop} are.
   */
  Paused continueUntil(Paused from, HookPoint stop, Hooks hooks) {
    hooks.check(tower, layers());
    Hooks.checkPoint(from.at(), tower, layers());
    Hooks.checkPoint(stop, tower, layers());
    int layer = from.at().layer();
    boolean sameBlock = stop.layer() == layer;
    if (sameBlock ? from.middle() == null || stop.site() == Site.MLP_OUT : stop.layer() < layer) {
      throw new IllegalArgumentException(stop + " does not come after " + from.at());
    }
    Tensor x = from.value();
    if (from.middle() != null) {
      x = hooks.apply(point(layer, Site.RESID_POST), from.middle().add(x));
    }
    return sameBlock ? new Paused(stop, x, null) : until(layer + 1, x, stop, hooks);
  }

  private Paused until(int first, Tensor start, HookPoint stop, Hooks hooks) {
    Tensor x =
        hooks.isEmpty() && first < stop.layer()
            ? SideBySide.map(start, half -> steps(first, half, stop.layer(), hooks))
            : steps(first, start, stop.layer(), hooks);
    Block block = blocks.get(stop.layer());
    Tensor middle = attend(block, x, (int) x.size(1));
    Tensor added = mlp(stop.layer(), block, middle, hooks);
    Tensor value = stop.site() == Site.MLP_OUT ? added : hooks.apply(stop, middle.add(added));
    if (hooks.isEmpty()) NotFiniteException.check(stop, value);
    return new Paused(stop, value, stop.site() == Site.MLP_OUT ? middle : null);
  }

  private Tensor steps(int first, Tensor start, int end, Hooks hooks) {
    Tensor x = start;
    for (int layer = first; layer < end; layer++) x = step(layer, x, hooks);
    return x;
  }

  /** Continues from {@code from} to the stream after the last block. */
  Tensor continueFrom(Paused from, int wanted, Hooks hooks) {
    hooks.check(tower, layers());
    Hooks.checkPoint(from.at(), tower, layers());
    int layer = from.at().layer();
    Tensor x = from.value();
    if (from.middle() != null) {
      x = hooks.apply(point(layer, Site.RESID_POST), from.middle().add(x));
    }
    return run(layer + 1, x, wanted, hooks);
  }

  private Tensor run(int first, Tensor start, int wanted, Hooks hooks) {
    Scope.require();
    return hooks.isEmpty() && first < layers()
        ? SideBySide.map(start, half -> through(first, half, wanted, hooks))
        : through(first, start, wanted, hooks);
  }

  private Tensor through(int first, Tensor start, int wanted, Hooks hooks) {
    Tensor x = start;
    for (int layer = first; layer < layers(); layer++) {
      boolean unseen =
          !hooks.touches(point(layer, Site.MLP_OUT))
              && !hooks.touches(point(layer, Site.RESID_POST));
      boolean few = unseen && layer == layers() - 1 && wanted < x.size(1) && !causal;
      Tensor next = few ? lastStep(x, wanted) : step(layer, x, hooks);
      // A deep tower's residuals add up: one that no hook has read is closed at once.
      boolean ours = x != start && !hooks.touches(point(layer - 1, Site.RESID_POST));
      if (ours) x.close();
      x = next;
    }
    return x;
  }

  private Tensor step(int layer, Tensor x, Hooks hooks) {
    Block block = blocks.get(layer);
    Tensor middle = attend(block, x, (int) x.size(1));
    Tensor added = mlp(layer, block, middle, hooks);
    // No hook has read middle; added may have been tapped.
    middle.addInPlace(added);
    if (!hooks.touches(point(layer, Site.MLP_OUT))) added.close();
    return hooks.apply(point(layer, Site.RESID_POST), middle);
  }

  private Tensor lastStep(Tensor x, int wanted) {
    Block block = blocks.getLast();
    Tensor middle = attend(block, x, wanted);
    try (Scope scope = Scope.open()) {
      return middle.addInPlace(block.mlp(middle, shape.activation()));
    }
  }

  private Tensor attend(Block block, Tensor x, int queries) {
    try (Scope scope = Scope.open()) {
      return scope.keep(block.attend(x, shape.heads(), causal, queries, shape.turn(x, prefix)));
    }
  }

  private Tensor mlp(int layer, Block block, Tensor middle, Hooks hooks) {
    Tensor added;
    try (Scope scope = Scope.open()) {
      added = scope.keep(block.mlp(middle, shape.activation()));
    }
    return hooks.apply(point(layer, Site.MLP_OUT), added);
  }

  private HookPoint point(int layer, Site site) {
    return new HookPoint(tower, layer, site);
  }
}
