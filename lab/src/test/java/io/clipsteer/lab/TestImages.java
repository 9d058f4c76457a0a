// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import javax.imageio.ImageIO;

/** Images that are made up. */
public final class TestImages {
  private TestImages() {}

  /**
   * Writes a tint that changes from corner to corner, with noise.
   *
   * @param noise above its largest value, as 0xRRGGBB
   */
  public static void write(Path file, int width, int height, int noise, Random random)
      throws IOException {
    Files.createDirectories(file.getParent());
    BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
    int tint = random.nextInt(0x1000000);
    for (int y = 0; y < height; y++) {
      for (int x = 0; x < width; x++) {
        image.setRGB(x, y, (tint + x * 0x030100 + y * 0x000205) ^ random.nextInt(noise));
      }
    }
    ImageIO.write(image, "png", file.toFile());
  }
}
