// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.probe;

import io.clipsteer.data.image.LabelMap;

/**
 * From logits of patches to a class for each pixel: bilinear, pixel centres at halves, as PyTorch's
 * {@code interpolate(mode="bilinear", align_corners=False)}.
 */
public final class Upsampling {
  private Upsampling() {}

  /**
   * The class with the largest interpolated logit, of equal ones the lower.
   *
   * @param logits [rows·columns,k] of patches, row by row
   * @param columns of patches
   * @param k classes, at most 255
   */
  public static LabelMap answers(float[] logits, int columns, int k, int width, int height) {
    int rows = logits.length / k / columns;
    byte[] labels = new byte[width * height];
    float[] line = new float[columns * k];
    for (int y = 0; y < height; y++) {
      float at = at(y, rows, height);
      int top = (int) at;
      int bottom = Math.min(top + 1, rows - 1);
      float low = at - top;
      for (int j = 0; j < line.length; j++) {
        float a = logits[top * columns * k + j];
        line[j] = a + low * (logits[bottom * columns * k + j] - a);
      }
      for (int x = 0; x < width; x++) {
        float across = at(x, columns, width);
        int left = (int) across;
        int right = Math.min(left + 1, columns - 1);
        float part = across - left;
        int best = 0;
        float most = Float.NEGATIVE_INFINITY;
        for (int c = 0; c < k; c++) {
          float a = line[left * k + c];
          float value = a + part * (line[right * k + c] - a);
          if (value > most) {
            most = value;
            best = c;
          }
        }
        labels[y * width + x] = (byte) best;
      }
    }
    return new LabelMap(width, height, labels);
  }

  /** Where a pixel's centre lies among the patches' centres. */
  private static float at(int pixel, int patches, int pixels) {
    return Math.max(0, (pixel + 0.5f) * patches / pixels - 0.5f);
  }
}
