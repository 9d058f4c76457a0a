// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.show;

import io.clipsteer.lab.evaluate.SparsityReport;

/**
 * What a sparsity report calls the things it counted.
 *
 * @param unit an image, or a text
 * @param speaker the token that speaks for it
 * @param others the other tokens
 * @param place an address among the others, with the numbers left open
 * @param map L0 over the others
 */
record ReportWords(String unit, String speaker, String others, String place, String map) {
  /** Published figures to hold the report's beside. */
  static final String PUBLISHED =
      "As published: SAEs of GPT-2 small's residual stream have an L0 of 20 to 50 a token, those of"
          + " CLIP ViT-B/32's patches one of 300 to 700 (arXiv 2504.08729)";

  private static final ReportWords IMAGES =
      new ReportWords(
          "image", "class token", "patches", "row %d, column %d", "L0 over the patch grid");

  private static final ReportWords TEXTS =
      new ReportWords(
          "text",
          "end token",
          "other tokens",
          "line %d, position %d",
          "L0 by position in the text");

  static ReportWords of(SparsityReport report) {
    return report.texts() ? TEXTS : IMAGES;
  }
}
