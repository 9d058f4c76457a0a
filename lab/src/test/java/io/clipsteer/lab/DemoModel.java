// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab;

import io.clipsteer.data.Progress;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.imageset.ImageSet;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.lab.demo.DemoClip;
import io.clipsteer.lab.run.Images;
import io.clipsteer.world.WorldSet;
import java.nio.file.Path;

/** The demo CLIP in a test's folder, with images drawn for it. */
public final class DemoModel {
  private DemoModel() {}

  /** Unpacks it into {@code folder/model}; whoever asks for it closes it. */
  public static ClipModel load(Path folder) {
    DemoClip.unpack(folder.resolve("model"));
    return ClipModel.load(folder.resolve("model"));
  }

  /** Draws into {@code folder/images}; read in batches by one thread. */
  public static Images images(ClipModel model, Path folder, int count, int batch) {
    Path images = folder.resolve("images");
    WorldSet.MIXED.write(images, WorldSet.Split.TEST, count, 5, 64, Progress.SILENT);
    return new Images(
        ImageSet.open(images), model.preprocessing(), ImageLoader.Options.of(batch).withThreads(1));
  }
}
