// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.demo;

import io.clipsteer.data.AtomicFiles;
import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.geom.Ellipse2D;
import java.awt.geom.Path2D;
import java.awt.geom.Rectangle2D;
import java.awt.image.BufferedImage;
import java.nio.file.Path;
import java.util.List;
import java.util.SplittableRandom;
import javax.imageio.ImageIO;

/** Pictures of one coloured shape on a coloured ground, drawn by a seed. */
final class Shapes {
  static final List<String> LABELS =
      List.of(
          "a red disc",
          "a green disc",
          "a blue disc",
          "a red square",
          "a green square",
          "a blue square",
          "a red triangle",
          "a green triangle",
          "a blue triangle");

  private static final Color[] COLOURS = {
    new Color(210, 50, 40), new Color(50, 160, 70), new Color(50, 80, 200)
  };
  private static final int SIZE = 96;

  private Shapes() {}

  /** Writes {@code count} pictures into a folder. */
  static void write(Path folder, int count, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    for (int i = 0; i < count; i++) {
      BufferedImage picture = draw(i % LABELS.size(), random);
      String name = "%04d_%s.png".formatted(i, LABELS.get(i % LABELS.size()).replace(' ', '_'));
      AtomicFiles.writeStream(folder.resolve(name), out -> ImageIO.write(picture, "png", out));
    }
  }

  private static BufferedImage draw(int label, SplittableRandom random) {
    BufferedImage picture = new BufferedImage(SIZE, SIZE, BufferedImage.TYPE_INT_RGB);
    Graphics2D g = picture.createGraphics();
    g.setRenderingHint(RenderingHints.KEY_ANTIALIASING, RenderingHints.VALUE_ANTIALIAS_ON);
    int grey = 120 + random.nextInt(120);
    g.setColor(new Color(grey, Math.min(255, grey + random.nextInt(30)), grey));
    g.fillRect(0, 0, SIZE, SIZE);
    double size = 24 + random.nextDouble() * 40;
    double x = random.nextDouble() * (SIZE - size);
    double y = random.nextDouble() * (SIZE - size);
    g.setColor(COLOURS[label % COLOURS.length]);
    switch (label / COLOURS.length) {
      case 0 -> g.fill(new Ellipse2D.Double(x, y, size, size));
      case 1 -> g.fill(new Rectangle2D.Double(x, y, size, size));
      default -> {
        Path2D triangle = new Path2D.Double();
        triangle.moveTo(x + size / 2, y);
        triangle.lineTo(x + size, y + size);
        triangle.lineTo(x, y + size);
        triangle.closePath();
        g.fill(triangle);
      }
    }
    g.dispose();
    return picture;
  }
}
