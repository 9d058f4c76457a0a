// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.image.ImageDecoder;
import io.clipsteer.data.image.RgbImage;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.imageset.ImageSet;
import io.clipsteer.data.preprocess.Preprocessing;
import io.clipsteer.lab.run.Images;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.List;
import java.util.Random;
import java.util.Set;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Small images: the right ones, each once, within the budget. */
final class ThumbnailsTest {
  @TempDir private static Path folder;

  @BeforeAll
  static void draw() throws IOException {
    Random random = new Random(7);
    for (int i = 0; i < 4; i++) {
      BufferedImage image = new BufferedImage(200, 150, BufferedImage.TYPE_INT_RGB);
      for (int y = 0; y < 150; y++) {
        for (int x = 0; x < 200; x++) {
          image.setRGB(x, y, (60 * i) << 16 | 0x202020 ^ random.nextInt(0x40));
        }
      }
      ImageIO.write(image, "png", folder.resolve("p" + i + ".png").toFile());
    }
    Files.writeString(folder.resolve("p9.png"), "no image");
  }

  private static Thumbnails read(Set<String> ids, long budget) {
    Images images =
        new Images(ImageSet.open(folder), Preprocessing.clip(224), ImageLoader.Options.of(1));
    return Thumbnails.read(images, ids, budget, Progress.SILENT);
  }

  @Test
  void eachImageIsTheRightOne() {
    Thumbnails all = read(Set.of("p0.png", "p2.png", "p9.png", "gone.png"), 1 << 20);
    assertEquals(2, all.jpegs().size());
    assertEquals(Set.of("p9.png", "gone.png"), Set.copyOf(all.missing()));
    assertEquals(List.of(128, 128), List.of(all.width(), all.height()));
    for (int i : new int[] {0, 2}) {
      int position = all.positions().getOrDefault("p" + i + ".png", -1);
      RgbImage image =
          ImageDecoder.decode(Base64.getDecoder().decode(all.jpegs().get(position)), "thumbnail");
      assertEquals(128, image.width());
      double red = 0;
      for (int p = 0; p < 128 * 128; p++) red += image.rgb()[3 * p] & 255;
      assertEquals((60 * i) | 0x20, red / (128 * 128), 12, "image " + i);
    }
  }

  @Test
  void theBudgetIsKept() {
    Set<String> ids = Set.of("p0.png", "p1.png", "p2.png", "p3.png");
    int before = 1000;
    for (long budget : new long[] {1 << 20, 16_000, 9_000}) {
      Thumbnails all = read(ids, budget);
      assertTrue(all.jpegs().stream().mapToLong(String::length).sum() <= budget);
      assertTrue(all.width() < before, "smaller for " + budget);
      before = all.width();
    }
    assertThrows(InputException.class, () -> read(ids, 100));
    assertThrows(InputException.class, () -> read(Set.of("gone.png"), 1 << 20));
  }
}
