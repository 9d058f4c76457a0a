// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.image;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Some ninety small images of every kind against what PIL makes of them. */
final class ImagesTest {
  @Test
  void decodesEveryKindAsPilDoes() {
    List<String> different = new ArrayList<>();
    List<Golden.Row> rows = Golden.rows("images.tsv");
    assertTrue(rows.size() >= 50);
    for (Golden.Row row : rows) {
      RgbImage image = decode(row);
      String size = image.width() + "\t" + image.height();
      if (!size.equals(row.get("width") + "\t" + row.get("height"))
          || !Golden.sha256(image.rgb()).equals(row.get("rgb_sha256"))) {
        different.add(row.get("file"));
      }
    }
    assertEquals(List.of(), different);
  }

  @Test
  void resizesWithEveryFilterAsPilDoes() {
    List<String> different = new ArrayList<>();
    for (Golden.Row row : Golden.rows("images.tsv")) {
      RgbImage in = decode(row);
      check(different, row, "clip224", Golden.clipImage(in, 224, PilResize.Filter.BICUBIC));
      check(different, row, "squash96x64_bicubic", squash(in, 96, 64, PilResize.Filter.BICUBIC));
      check(different, row, "squash50x60_lanczos", squash(in, 50, 60, PilResize.Filter.LANCZOS));
      check(different, row, "squash50x60_box", squash(in, 50, 60, PilResize.Filter.BOX));
      check(different, row, "squash50x60_hamming", squash(in, 50, 60, PilResize.Filter.HAMMING));
      check(different, row, "squash71x80_nearest", squash(in, 71, 80, PilResize.Filter.NEAREST));
    }
    assertEquals(List.of(), different);
  }

  /** A part computed alone is the part of the whole, in either order of the passes. */
  @Test
  void partsEqualTheWhole() {
    Random random = new Random(7);
    for (int i = 0; i < 200; i++) {
      int w = 1 + random.nextInt(80);
      int h = 1 + random.nextInt(200);
      byte[] rgb = new byte[3 * w * h];
      random.nextBytes(rgb);
      RgbImage in = new RgbImage(w, h, rgb);
      int outWidth = i % 5 == 0 ? w : 1 + random.nextInt(60);
      int outHeight = i % 7 == 0 ? h : 1 + random.nextInt(60);
      var filters = PilResize.Filter.values();
      var filter = filters[i % filters.length];
      int x = random.nextInt(outWidth);
      int y = random.nextInt(outHeight);
      int partWidth = 1 + random.nextInt(outWidth - x);
      int partHeight = 1 + random.nextInt(outHeight - y);
      RgbImage whole = PilResize.resize(in, outWidth, outHeight, filter);
      RgbImage part =
          PilResize.resize(in, outWidth, outHeight, filter, x, y, partWidth, partHeight);
      assertArrayEquals(whole.crop(x, y, partWidth, partHeight).rgb(), part.rgb());
    }
  }

  @Test
  void turnsByOrientationOnlyWhenAsked() {
    byte[] bytes = Golden.bytes("files/orientation6.jpg");
    RgbImage stored = ImageDecoder.decode(bytes, "o");
    RgbImage upright =
        ImageDecoder.decode(bytes, "o", new ImageDecoder.DecodeOptions(1 << 20, true));
    assertEquals(stored.width(), upright.height());
    // Orientation 6: the stored image's lower left corner is the upper left one.
    int from = 3 * (stored.height() - 1) * stored.width();
    for (int c = 0; c < 3; c++) assertEquals(stored.rgb()[from + c], upright.rgb()[c]);
  }

  private static RgbImage decode(Golden.Row row) {
    return ImageDecoder.decode(Golden.bytes("files/" + row.get("file")), row.get("file"));
  }

  private static RgbImage squash(RgbImage in, int w, int h, PilResize.Filter filter) {
    return PilResize.resize(in, w, h, filter);
  }

  private static void check(List<String> different, Golden.Row row, String column, RgbImage file) {
    if (!Golden.sha256(file.rgb()).equals(row.get(column))) {
      different.add(row.get("file") + " " + column);
    }
  }
}
