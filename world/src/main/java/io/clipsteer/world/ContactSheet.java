// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.world;

import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.image.RgbImage;
import java.awt.Graphics2D;
import java.awt.image.BufferedImage;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import javax.imageio.ImageIO;

/** Many images of the world side by side, for a person to view. */
public final class ContactSheet {
  private static final int COLUMNS = 16;
  private static final int GAP = 4;

  private ContactSheet() {}

  /**
   * Writes a PNG: every kind of thing, every background, portraits and birds of every group, and
   * written words.
   *
   * @param size pixels of one image
   * @return how many images it shows
   */
  public static int write(Path file, long seed, int size) {
    Sampler sampler = new Sampler(Sampler.seedOf(seed, "sheet"), Biases.NONE);
    List<DrawnImage> images = new ArrayList<>();
    for (int i = 0; i < 5 * COLUMNS; i++) images.add(sampler.plainThings(i));
    for (int i = 0; i < 3 * COLUMNS; i++) {
      Person.Gender gender = i / COLUMNS == 1 ? Person.Gender.MAN : Person.Gender.WOMAN;
      images.add(sampler.portrait(1000 + i, i % 2 == 0 ? Person.Gender.MAN : gender, i % 4 < 2));
    }
    for (int i = 0; i < 2 * COLUMNS; i++) {
      images.add(sampler.bird(2000 + i, i % 2 == 0, i % 4 < 2));
    }
    for (int i = 0; i < 3 * COLUMNS; i++) {
      images.add(sampler.worded(3000 + i, i % WrittenWords.WRITTEN.size()));
    }
    BufferedImage sheet = paint(images, size);
    AtomicFiles.writeStream(file, out -> ImageIO.write(sheet, "png", out));
    return images.size();
  }

  private static BufferedImage paint(List<DrawnImage> images, int size) {
    int rows = (images.size() + COLUMNS - 1) / COLUMNS;
    int step = size + GAP;
    BufferedImage sheet =
        new BufferedImage(COLUMNS * step + GAP, rows * step + GAP, BufferedImage.TYPE_INT_RGB);
    Graphics2D g = sheet.createGraphics();
    for (int i = 0; i < images.size(); i++) {
      BufferedImage one = image(images.get(i).paint(size));
      g.drawImage(one, GAP + (i % COLUMNS) * step, GAP + (i / COLUMNS) * step, null);
    }
    g.dispose();
    return sheet;
  }

  /** As AWT and ImageIO want it. */
  static BufferedImage image(RgbImage drawn) {
    BufferedImage image =
        new BufferedImage(drawn.width(), drawn.height(), BufferedImage.TYPE_INT_RGB);
    byte[] rgb = drawn.rgb();
    int[] packed = new int[drawn.width() * drawn.height()];
    for (int i = 0; i < packed.length; i++) {
      packed[i] = (rgb[3 * i] & 255) << 16 | (rgb[3 * i + 1] & 255) << 8 | (rgb[3 * i + 2] & 255);
    }
    image.setRGB(0, 0, drawn.width(), drawn.height(), packed, 0, drawn.width());
    return image;
  }
}
