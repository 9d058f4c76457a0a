// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.report;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;

/** Text files in the program. */
final class Resources {
  /** Chart.js with its dependencies, from its WebJar. */
  private static final String CHARTS =
      "/META-INF/resources/webjars/chart.js/4.5.1/dist/chart.umd.min.js";

  private Resources() {}

  /** A file beside this class. */
  static String text(String name) {
    try (InputStream in = Resources.class.getResourceAsStream(name)) {
      if (in == null) throw new IllegalStateException(name + " is not in the program");
      return new String(in.readAllBytes(), StandardCharsets.UTF_8).replace("\r\n", "\n");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The chart library, without the line that sends a browser's tools to look for its sources. */
  static String charts() {
    String text = text(CHARTS);
    int at = text.lastIndexOf("//# sourceMappingURL=");
    return at < 0 ? text : text.substring(0, at);
  }
}
