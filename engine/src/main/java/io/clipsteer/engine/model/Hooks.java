// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

import io.clipsteer.data.InputException;
import io.clipsteer.engine.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import org.apiguardian.api.API;

/**
 * The taps and edits of one pass, in the order in which they were added: a tap added after an edit
 * of the same point sees the edited value. Immutable.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class Hooks {
  /** No taps and no edits. */
  public static final Hooks NONE = new Hooks(List.of());

  private record Entry(HookPoint point, ResidualEdit edit) {}

  private final List<Entry> entries;

  private Hooks(List<Entry> entries) {
    this.entries = entries;
  }

  /** These hooks, then {@code edit} at {@code point}. */
  public Hooks edit(HookPoint point, ResidualEdit edit) {
    List<Entry> more = new ArrayList<>(entries);
    more.add(new Entry(point, edit));
    return new Hooks(List.copyOf(more));
  }

  /**
   * These hooks, then {@code reader} shown the value [b,t,d] at {@code point}. The tensor belongs
   * to the pass's scope: a reader that wants it longer keeps or copies it.
   */
  public Hooks tap(HookPoint point, Consumer<Tensor> reader) {
    return edit(
        point,
        (where, residual) -> {
          reader.accept(residual);
          return residual;
        });
  }

  /** Whether nothing is hooked anywhere. */
  boolean isEmpty() {
    return entries.isEmpty();
  }

  /** Whether anything is hooked at {@code point}. */
  boolean touches(HookPoint point) {
    for (Entry entry : entries) if (entry.point.equals(point)) return true;
    return false;
  }

  Tensor apply(HookPoint point, Tensor value) {
    Tensor current = value;
    for (Entry entry : entries) {
      if (!entry.point.equals(point)) continue;
      Tensor edited = entry.edit.edit(point, current);
      if (!Arrays.equals(edited.shape(), value.shape()) || edited.dtype() != value.dtype()) {
        throw new IllegalArgumentException(
            "an edit at " + point + " turned " + value + " into " + edited);
      }
      current = edited;
    }
    return current;
  }

  /** Every hook must name a block that exists; otherwise it would silently do nothing. */
  void check(TowerKind tower, int layers) {
    for (Entry entry : entries) checkPoint(entry.point, tower, layers);
  }

  static void checkPoint(HookPoint point, TowerKind tower, int layers) {
    if (point.tower() != tower || point.layer() < 0 || point.layer() >= layers) {
      throw new InputException(
          point,
          point.tower() == tower
              ? "no such hook point"
              : "belongs to the " + point.tower().word() + " tower",
          "Name one of blocks 0 to " + (layers - 1) + " of the " + tower.word() + " tower");
    }
  }
}
