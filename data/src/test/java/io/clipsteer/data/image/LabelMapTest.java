// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.image;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.data.preprocess.Preprocessing;
import java.awt.image.BufferedImage;
import java.awt.image.IndexColorModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Labels are the numbers that a PNG stores, whatever colours they stand for. */
final class LabelMapTest {
  @TempDir private Path temp;

  @Test
  void storedNumbersAreRead() throws IOException {
    byte[] grey = new byte[256];
    for (int i = 0; i < 256; i++) grey[i] = (byte) (255 - i);
    for (int bits : new int[] {4, 8}) {
      var colours = new IndexColorModel(bits, 1 << bits, grey, grey, grey);
      var image =
          new BufferedImage(
              3,
              2,
              bits == 8 ? BufferedImage.TYPE_BYTE_INDEXED : BufferedImage.TYPE_BYTE_BINARY,
              colours);
      image.getRaster().setPixels(0, 0, 3, 2, new int[] {0, 1, 2, 3, 15, 7});
      LabelMap map = ImageDecoder.labels(png(image));
      assertArrayEquals(new byte[] {0, 1, 2, 3, 15, 7}, map.labels());
      assertEquals(1, map.counts()[15]);
    }
    var image = new BufferedImage(2, 1, BufferedImage.TYPE_BYTE_GRAY);
    image.getRaster().setPixels(0, 0, 2, 1, new int[] {200, 5});
    assertArrayEquals(new byte[] {(byte) 200, 5}, ImageDecoder.labels(png(image)).labels());
  }

  private Path png(BufferedImage image) throws IOException {
    Path file = temp.resolve("mask.png");
    ImageIO.write(image, "png", file.toFile());
    return file;
  }

  @Test
  void colouredAndDamagedMapsAreRefused() throws IOException {
    Path colours = png(new BufferedImage(2, 2, BufferedImage.TYPE_INT_RGB));
    var e = assertThrows(InputException.class, () -> ImageDecoder.labels(colours));
    assertTrue((e.getMessage() + "").contains("no label map"), e.toString());
    Path deep = png(new BufferedImage(2, 2, BufferedImage.TYPE_USHORT_GRAY));
    assertThrows(InputException.class, () -> ImageDecoder.labels(deep));
    Files.writeString(colours, "GIF89a");
    assertThrows(InputException.class, () -> ImageDecoder.labels(colours));
  }

  @Test
  void goesThroughAnImagesResizingWithoutMixing() {
    // 4x2 pixels, squashed to the crop's 2x2: pixels 1 and 3 of each row are the nearest.
    byte[] labels = {0, 10, 20, 30, 40, 50, 60, 70};
    LabelMap map =
        Preprocessing.clip(2).squashed().resizedAndCropped(new LabelMap(4, 2, labels), 255);
    assertArrayEquals(new byte[] {10, 30, 50, 70}, map.labels());
    // Cropped instead: the shorter edge is 2 already, and the middle columns stay.
    LabelMap middle = Preprocessing.clip(2).resizedAndCropped(new LabelMap(4, 2, labels), 255);
    assertArrayEquals(new byte[] {10, 20, 50, 60}, middle.labels());
  }
}
