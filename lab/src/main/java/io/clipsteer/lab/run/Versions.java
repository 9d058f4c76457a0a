// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.run;

import io.clipsteer.data.folder.RunManifest;
import io.clipsteer.engine.Engine;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Properties;
import org.jspecify.annotations.Nullable;

/** The versions of the program and of the library that it computes with. */
public final class Versions {
  /** Version of clipsteer, as its build says. */
  public static final String CLIPSTEER = built();

  private Versions() {}

  /**
   * The manifest of a run of this program that starts now.
   *
   * @param command the command line, one word each
   * @param gpu the accelerator; null when none is used
   */
  public static RunManifest manifest(
      List<String> command,
      Map<String, Object> config,
      Map<String, Long> seeds,
      Map<String, String> hashes,
      @Nullable String gpu) {
    var versions = Map.of("clipsteer", CLIPSTEER, "libtorch", Engine.torchVersion());
    return RunManifest.begin(command, config, seeds, hashes, versions, gpu);
  }

  private static String built() {
    Properties build = new Properties();
    try (InputStream in =
        Objects.requireNonNull(Versions.class.getResourceAsStream("build.properties"))) {
      build.load(in);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return build.getProperty("version", "");
  }
}
