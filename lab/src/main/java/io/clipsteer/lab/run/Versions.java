// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.run;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Objects;
import java.util.Properties;

/** The program's own version. */
public final class Versions {
  /** Version of clipsteer, as its build says. */
  public static final String CLIPSTEER = built();

  private Versions() {}

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
