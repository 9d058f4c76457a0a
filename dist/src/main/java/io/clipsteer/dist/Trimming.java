// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.dist;

import io.clipsteer.world.Lettering;
import java.util.Set;

/**
 * What an archive does not need of the jars: natives of other systems, fonts, forms of Chart.js.
 */
final class Trimming {
  /** Names of the jars that lose something. */
  private static final Set<String> JARS =
      Set.of(
          "tokenizers-",
          "duckdb_jdbc-",
          "jna-",
          "jasperreports-fonts-",
          "openpdf-fonts-extra-",
          "chart.js-");

  private Trimming() {}

  /** Whether a jar has to be written anew. */
  static boolean changes(String jar) {
    return JARS.stream().anyMatch(jar::startsWith);
  }

  /** Whether an entry of a jar that changes stays in it. */
  static boolean keeps(String jar, String entry, Platform platform) {
    if (jar.startsWith("tokenizers-")) {
      return !entry.startsWith(Natives.TOKENIZERS) || entry.endsWith(".properties");
    }
    if (entry.startsWith("libduckdb")) return entry.endsWith(platform.duckdb());
    if (entry.contains("jnidispatch.")) {
      return entry.startsWith("com/sun/jna/" + platform.jna() + "/");
    }
    if (entry.endsWith(".ttf")) return Lettering.FONTS.contains("/" + entry);
    // The report's page has the one form for browsers.
    boolean script = jar.startsWith("chart.js-") && entry.contains("/dist/");
    return !script || entry.endsWith("/chart.umd.min.js");
  }
}
