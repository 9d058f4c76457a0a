// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.world;

import java.util.SplittableRandom;

/** What a camera adds: a lamp from one side, a tint, and noise. */
final class Light {
  private final SplittableRandom random;
  private final double level;
  private final double towardsX;
  private final double towardsY;
  private final double[] tint;
  private final int noise;

  Light(SplittableRandom random) {
    this.random = random;
    this.level = 0.84 + 0.26 * random.nextDouble();
    this.towardsX = 0.3 * (random.nextDouble() - 0.5);
    this.towardsY = 0.3 * (random.nextDouble() - 0.5);
    this.tint = new double[3];
    for (int c = 0; c < 3; c++) tint[c] = 0.95 + 0.1 * random.nextDouble();
    this.noise = 2 + random.nextInt(9);
  }

  /**
   * One image.
   *
   * @param pixels size·size numbers 0xRRGGBB
   * @return red, green, blue, red, …
   */
  byte[] apply(int[] pixels, int size) {
    byte[] out = new byte[3 * pixels.length];
    for (int y = 0, at = 0; y < size; y++) {
      double row = level + towardsY * ((double) y / size - 0.5);
      for (int x = 0; x < size; x++, at++) {
        double gain = row + towardsX * ((double) x / size - 0.5);
        long bits = random.nextLong();
        int rgb = pixels[at];
        for (int c = 0; c < 3; c++) {
          // The sum of two bytes is a triangle, near enough to a camera's noise.
          int grain = (int) (bits & 255) + (int) ((bits >> 8) & 255) - 255;
          bits >>= 16;
          double value = ((rgb >> (16 - 8 * c)) & 255) * gain * tint[c] + grain * noise / 128.0;
          out[3 * at + c] = (byte) Math.clamp(Math.round(value), 0, 255);
        }
      }
    }
    return out;
  }
}
