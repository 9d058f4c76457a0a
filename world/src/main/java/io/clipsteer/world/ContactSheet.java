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

/** Many pictures of the world side by side, to be looked at. */
public final class ContactSheet {
  private static final int COLUMNS = 16;
  private static final int GAP = 4;

  private ContactSheet() {}

  /**
   * Writes a PNG: every kind of thing, every background, portraits and birds of every group, and
   * written words.
   *
   * @param size pixels of one picture
   * @return how many pictures it shows
   */
  public static int write(Path file, long seed, int size) {
    Sampler sampler = new Sampler(Sampler.seedOf(seed, "sheet"), Biases.NONE);
    List<Picture> pictures = new ArrayList<>();
    for (int i = 0; i < 5 * COLUMNS; i++) pictures.add(sampler.plainThings(i));
    for (int i = 0; i < 3 * COLUMNS; i++) {
      Person.Gender gender = i / COLUMNS == 1 ? Person.Gender.MAN : Person.Gender.WOMAN;
      pictures.add(sampler.portrait(1000 + i, i % 2 == 0 ? Person.Gender.MAN : gender, i % 4 < 2));
    }
    for (int i = 0; i < 2 * COLUMNS; i++) {
      pictures.add(sampler.bird(2000 + i, i % 2 == 0, i % 4 < 2));
    }
    for (int i = 0; i < 3 * COLUMNS; i++) {
      pictures.add(sampler.worded(3000 + i, i % Words.WRITTEN.size()));
    }
    BufferedImage sheet = paint(pictures, size);
    AtomicFiles.writeStream(file, out -> ImageIO.write(sheet, "png", out));
    return pictures.size();
  }

  private static BufferedImage paint(List<Picture> pictures, int size) {
    int rows = (pictures.size() + COLUMNS - 1) / COLUMNS;
    int step = size + GAP;
    BufferedImage sheet =
        new BufferedImage(COLUMNS * step + GAP, rows * step + GAP, BufferedImage.TYPE_INT_RGB);
    Graphics2D g = sheet.createGraphics();
    for (int i = 0; i < pictures.size(); i++) {
      BufferedImage one = image(pictures.get(i).paint(size));
      g.drawImage(one, GAP + (i % COLUMNS) * step, GAP + (i / COLUMNS) * step, null);
    }
    g.dispose();
    return sheet;
  }

  /** As AWT and ImageIO want it. */
  static BufferedImage image(RgbImage picture) {
    BufferedImage image =
        new BufferedImage(picture.width(), picture.height(), BufferedImage.TYPE_INT_RGB);
    byte[] rgb = picture.rgb();
    int[] packed = new int[picture.width() * picture.height()];
    for (int i = 0; i < packed.length; i++) {
      packed[i] = (rgb[3 * i] & 255) << 16 | (rgb[3 * i + 1] & 255) << 8 | (rgb[3 * i + 2] & 255);
    }
    image.setRGB(0, 0, picture.width(), picture.height(), packed, 0, picture.width());
    return image;
  }
}
