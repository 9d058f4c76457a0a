// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.run;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.Tokenizer;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.NotFiniteException;
import io.clipsteer.engine.model.Site;
import io.clipsteer.engine.model.TextTower;
import io.clipsteer.engine.model.TokenSelection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ObjIntConsumer;

/**
 * The tokens of a text that an SAE reads: those from the start token to the end token, or the end
 * token alone, which stands for the text ({@link TokenSelection#CLS}); never padding.
 */
public record TextTokens(Tokenizer tokenizer, TokenSelection selection) {
  /** Texts that go through the tower at once. */
  private static final int TEXTS_AT_ONCE = 64;

  /** Position of the end token. */
  public int end(long[] ids) {
    for (int i = 0; i < ids.length; i++) if (ids[i] == tokenizer.endId()) return i;
    return ids.length - 1;
  }

  /** Position of the first token that is read. */
  public int first(long[] ids) {
    return selection == TokenSelection.CLS ? end(ids) : 0;
  }

  /** Number of tokens that are read. */
  public int count(long[] ids) {
    return end(ids) + 1 - first(ids);
  }

  /** The tokens that are read, of a text's values [t,d]: a view [n,d]. */
  public Tensor of(Tensor values, long[] ids) {
    return values.narrow(0, first(ids), count(ids));
  }

  /**
   * Splits texts into batches for the tower.
   *
   * @param batch takes consecutive texts, and the number of the first from 0
   */
  public static void forEach(List<String> texts, ObjIntConsumer<List<String>> batch) {
    for (int from = 0; from < texts.size(); from += TEXTS_AT_ONCE) {
      batch.accept(texts.subList(from, Math.min(texts.size(), from + TEXTS_AT_ONCE)), from);
    }
  }

  /**
   * Runs the tower up to the last of some hook points.
   *
   * @param points each once
   * @return the value at each point, F32 [b,t,d] in the current scope, in the points' order
   * @throws NotFiniteException when a value holds NaN or infinity
   */
  public static Map<HookPoint, Tensor> residuals(
      TextTower tower, long[][] ids, List<HookPoint> points) {
    Map<HookPoint, Tensor> seen = new HashMap<>();
    HookPoint last =
        points.stream()
            .max(
                Comparator.comparingInt(HookPoint::layer)
                    .thenComparing(point -> point.site() == Site.RESID_POST))
            .orElseThrow();
    Scope outer = Scope.open();
    try (outer) {
      Hooks hooks = Hooks.NONE;
      for (HookPoint point : points) {
        hooks =
            hooks.tap(
                point,
                value -> {
                  NotFiniteException.check(point, value);
                  seen.put(point, outer.keep(value.to(DType.F32).contiguous()));
                });
      }
      tower.runUntil(ids, last, hooks);
    }
    Map<HookPoint, Tensor> all = new LinkedHashMap<>();
    for (HookPoint point : points) {
      Tensor value = seen.get(point);
      if (value == null) throw new IllegalStateException("no value at " + point);
      all.put(point, value);
    }
    return all;
  }
}
