// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.experiment;

import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.image.LabelMap;
import io.clipsteer.data.image.RgbImage;
import io.clipsteer.data.preprocess.Preprocessing;
import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.image.BufferedImage;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import javax.imageio.ImageIO;

/** Four panels side by side: the image, its classes before, after, and where they changed. */
public final class MapPicture {
  private static final int GAP = 4;
  private static final int SMALLEST = 224;

  private MapPicture() {}

  /**
   * Writes a PNG.
   *
   * @param image as it was decoded
   * @param shape of the tower's input
   * @param before labels of its pixels, or of its patches
   * @param after likewise
   */
  public static void write(
      Path file, RgbImage image, Preprocessing shape, LabelMap before, LabelMap after) {
    BufferedImage picture = draw(image, shape, before, after);
    AtomicFiles.writeStream(file, out -> ImageIO.write(picture, "png", out));
  }

  /** Colours of the classes of two maps, {@code #rrggbb} by name. */
  public static Map<String, String> legend(LabelMap before, LabelMap after, List<String> classes) {
    int[] was = before.counts();
    int[] is = after.counts();
    Map<String, String> colours = new LinkedHashMap<>();
    for (int c = 0; c < classes.size(); c++) {
      if (was[c] + is[c] == 0) continue;
      colours.put(classes.get(c), "#%06x".formatted(LabelMap.colour(c)));
    }
    return colours;
  }

  private static BufferedImage draw(
      RgbImage image, Preprocessing shape, LabelMap before, LabelMap after) {
    int times = Math.max(1, (SMALLEST + before.width() - 1) / before.width());
    int width = before.width() * times;
    int height = before.height() * times;
    BufferedImage seen = shape.resizedAndCropped(image).buffered();
    BufferedImage[] panels = {seen, before.indexed(), after.indexed(), changed(before, after)};
    var all = new BufferedImage(4 * width + 3 * GAP, height, BufferedImage.TYPE_INT_RGB);
    Graphics2D g = all.createGraphics();
    g.setColor(Color.WHITE);
    g.fillRect(0, 0, all.getWidth(), height);
    g.setRenderingHint(
        RenderingHints.KEY_INTERPOLATION, RenderingHints.VALUE_INTERPOLATION_NEAREST_NEIGHBOR);
    for (int i = 0; i < panels.length; i++) {
      g.drawImage(panels[i], i * (width + GAP), 0, width, height, null);
    }
    g.dispose();
    return all;
  }

  /** The new class's colour where it changed, white elsewhere. */
  private static BufferedImage changed(LabelMap before, LabelMap after) {
    BufferedImage now = after.indexed();
    var picture = new BufferedImage(before.width(), before.height(), BufferedImage.TYPE_INT_RGB);
    for (int i = 0; i < before.labels().length; i++) {
      int x = i % before.width();
      int y = i / before.width();
      boolean same = before.labels()[i] == after.labels()[i];
      picture.setRGB(x, y, same ? 0xffffff : now.getRGB(x, y));
    }
    return picture;
  }
}
