// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

import io.clipsteer.data.InputException;
import io.clipsteer.engine.Tensor;
import java.util.List;

/** A tower gave NaN or infinity for an image or a text; its weights are finite. */
public final class NotFiniteException extends InputException {
  private static final long serialVersionUID = 1;

  private final HookPoint point;
  private final int row;

  private NotFiniteException(HookPoint point, String input, int row) {
    super(
        input,
        "the model's activations are NaN or infinite at " + point + ", or from an earlier block on",
        "Its weights are finite, so they overflow on the way: check that they belong to this"
            + " configuration, and that the tower runs in fp32");
    this.point = point;
    this.row = row;
  }

  /**
   * Checks activations of a pass without edits.
   *
   * @param values [b,t,d], a row an image or a text
   * @throws NotFiniteException naming the first row that holds NaN or infinity
   */
  public static void check(HookPoint point, Tensor values) {
    if (values.isFinite()) return;
    int row = 0;
    while (row < values.size(0) - 1 && values.select(0, row).isFinite()) row++;
    String input = point.tower() == TowerKind.VISION ? "image " : "text ";
    throw new NotFiniteException(point, input + (row + 1) + " of the batch", row);
  }

  /** The same with the input's own name. */
  public NotFiniteException named(List<String> ids) {
    return new NotFiniteException(point, ids.get(row), row);
  }
}
