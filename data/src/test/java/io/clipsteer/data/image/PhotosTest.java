// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.image;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.clipsteer.data.SharedData;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Five hundred real photos against what PIL makes of them. */
final class PhotosTest {
  @Test
  void decodesAndResizesEveryPhotoAsPilDoes() {
    Path photos = SharedData.require("photos");
    List<String> different = new ArrayList<>();
    for (Golden.Row row : Golden.rows("photos.tsv")) {
      RgbImage image = ImageDecoder.decode(photos.resolve(row.get("file")));
      if (!Golden.sha256(image.rgb()).equals(row.get("rgb_sha256"))) {
        different.add("decode " + row.get("file"));
      }
      RgbImage photo = Golden.clipImage(image, 224, PilResize.Filter.BICUBIC);
      if (!Golden.sha256(photo.rgb()).equals(row.get("clip224_sha256"))) {
        different.add("resize " + row.get("file"));
      }
    }
    assertEquals(List.of(), different);
  }
}
