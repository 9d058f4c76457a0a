// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.imageset;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.image.Golden;
import io.clipsteer.data.image.ImageDecoder;
import io.clipsteer.data.preprocess.Preprocessing;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(30)
final class ImageLoaderTest {
  private static final Preprocessing CLIP = Preprocessing.clip(32);

  @TempDir Path dir;

  private void fill() throws IOException {
    for (Golden.Row row : Golden.rows("images.tsv")) {
      Files.write(dir.resolve(row.get("file")), Golden.bytes("files/" + row.get("file")));
    }
    Files.writeString(dir.resolve("m_broken.jpg"), "no image");
    Files.write(dir.resolve("n_empty.png"), new byte[0]);
  }

  @Test
  void givesTheSameBatchesWithAnyNumberOfThreads() throws IOException {
    fill();
    List<String> one = drain(1, 7);
    assertEquals(Golden.rows("images.tsv").size(), one.size());
    assertEquals(one, drain(4, 7));
    assertEquals(one, drain(3, 1000));
  }

  private List<String> drain(int threads, int batchSize) {
    List<String> all = new ArrayList<>();
    var options = ImageLoader.Options.of(batchSize).withThreads(threads);
    try (var loader = new ImageLoader(ImageSet.folder(dir), CLIP, options)) {
      for (ImageBatch b = loader.next(); b != null; b = loader.next()) {
        float[] pixels = b.pixels().toArray(ValueLayout.JAVA_FLOAT);
        assertEquals(b.count() * CLIP.floats(), pixels.length);
        for (int i = 0; i < b.count(); i++) {
          float sum = 0;
          for (int k = 0; k < CLIP.floats(); k++) sum += pixels[i * CLIP.floats() + k] * (k % 7);
          all.add(b.ids().get(i) + " " + sum);
        }
      }
      assertEquals(
          List.of("m_broken.jpg", "n_empty.png"),
          loader.skipped().stream().map(ImageLoader.Skipped::id).toList());
      assertTrue(loader.skipped().get(1).reason().contains("empty"));
    }
    return all;
  }

  @Test
  void holdsWhatPreprocessingGives() throws IOException {
    fill();
    var options = ImageLoader.Options.of(4).withLimit(3);
    try (var loader = new ImageLoader(ImageSet.folder(dir), CLIP, options)) {
      ImageBatch batch = loader.next();
      assertTrue(batch != null && batch.count() == 3);
      float[] expected = CLIP.apply(ImageDecoder.decode(dir.resolve(batch.ids().get(2))));
      float[] third = batch.pixels().asSlice(8L * CLIP.floats()).toArray(ValueLayout.JAVA_FLOAT);
      assertArrayEquals(expected, third);
      assertEquals(null, loader.next());
      assertEquals(null, loader.next());
    }
  }

  @Test
  void stopsEarlyWithoutLeavingThreads() throws IOException {
    fill();
    for (int i = 0; i < 30; i++) {
      var options = ImageLoader.Options.of(2).withThreads(3);
      try (var loader = new ImageLoader(ImageSet.folder(dir), CLIP, options)) {
        for (int k = 0; k < i % 4; k++) assertTrue(loader.next() != null);
      }
    }
    // A pool has terminated a moment before its last thread is gone.
    long end = System.nanoTime() + 5_000_000_000L;
    while (imageThreads() > 0 && System.nanoTime() < end) Thread.onSpinWait();
    assertEquals(0, imageThreads());
  }

  private static long imageThreads() {
    return Thread.getAllStackTraces().keySet().stream()
        .filter(t -> t.getName().startsWith("image-"))
        .count();
  }
}
