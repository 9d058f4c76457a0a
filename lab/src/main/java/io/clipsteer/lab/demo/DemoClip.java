// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.demo;

import io.clipsteer.data.folder.AtomicFiles;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.util.List;

/**
 * The CLIP that comes with clipsteer: pretrained on the world by {@code configs/demo-clip.yaml}. An
 * ordinary Hugging Face folder, with the manifest and the log of its making.
 */
public final class DemoClip {
  private static final List<String> FILES =
      List.of(
          "config.json",
          "preprocessor_config.json",
          "tokenizer.json",
          "tokenizer_config.json",
          "model.safetensors",
          "manifest.json",
          "log.csv");

  private DemoClip() {}

  /** Writes its files into a folder, which is made when missing. */
  public static void unpack(Path folder) {
    for (String name : FILES) {
      try (InputStream in = DemoClip.class.getResourceAsStream("demo-clip/" + name)) {
        if (in == null) throw new IllegalStateException("demo-clip/" + name + " is not shipped");
        AtomicFiles.write(folder.resolve(name), in.readAllBytes());
      } catch (IOException e) {
        throw new IllegalStateException("demo-clip/" + name + " cannot be read", e);
      }
    }
  }
}
