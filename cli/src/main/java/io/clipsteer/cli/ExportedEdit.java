// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.data.InputException;
import io.clipsteer.lab.edit.StoredEdit;
import io.clipsteer.lab.edit.ThresholdCalibration;
import io.clipsteer.lab.run.Counted;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * An edit that {@code export} wrote.
 *
 * @param topK features of the SAE that are active on a token where its whole encoder is inside;
 *     else 0
 * @param calibration of thresholds in the place of top-k, or null
 */
record ExportedEdit(
    StoredEdit stored, int topK, ThresholdCalibration.@Nullable Calibrated calibration) {
  /** Share of the edit's own effect by which one with thresholds may differ without a warning. */
  private static final double MOST_DIFFERENCE = 0.1;

  private static final String TOO_DIFFERENT =
      "  that is more than a tenth of the edit: measure it before use, or take --topk whole\n";

  String what() {
    return Counted.of(stored.units().count(), stored.units().noun());
  }

  /** Lines on what the file holds. */
  String sentences() {
    if (topK > 0) {
      return String.format(
          "exact: the TopK SAE's whole encoder is inside (k = %d); --topk calibrated makes it"
              + " smaller%n",
          topK);
    }
    ThresholdCalibration.Calibrated c = calibration;
    if (c == null) return "";
    return String.format(
        "thresholds in the place of top-k, on %s that did not make them:%n"
            + "  %.3f %% of activations are on in the SAE; %.3f %% are on in one of both only%n"
            + "  activations differ by %.1f %% of their sum%n"
            + "  embeddings: cosine distance to the exact edit %.2g (at most %.2g); the edit"
            + " itself moves them by %.2g%n%s",
        Counted.of(c.images(), "image"),
        100 * c.active(),
        100 * c.disagree(),
        100 * c.activationError(),
        c.differs(),
        c.differsMost(),
        c.edited(),
        c.differs() > MOST_DIFFERENCE * c.edited() ? TOO_DIFFERENT : "");
  }

  static long size(Path file) {
    try {
      return Files.size(file);
    } catch (IOException e) {
      throw new InputException(file, "cannot be read back", "Check the disk", e);
    }
  }
}
