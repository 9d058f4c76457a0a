// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.world;

import io.clipsteer.data.folder.AtomicFiles;
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
      Factors.Gender gender = i / COLUMNS == 1 ? Factors.Gender.MAN : Factors.Gender.WOMAN;
      images.add(sampler.portrait(1000 + i, i % 2 == 0 ? Factors.Gender.MAN : gender, i % 4 < 2));
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
      BufferedImage one = images.get(i).paint(size).buffered();
      g.drawImage(one, GAP + (i % COLUMNS) * step, GAP + (i / COLUMNS) * step, null);
    }
    g.dispose();
    return sheet;
  }
}
