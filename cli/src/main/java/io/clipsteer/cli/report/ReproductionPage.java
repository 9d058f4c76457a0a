// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.report;

import io.clipsteer.lab.reproduce.Reproduction;
import java.nio.file.Path;
import java.util.List;

/** The page of {@code reproduce}: published numbers beside ours. */
public final class ReproductionPage {
  /** Name of the page in the command's folder. */
  public static final String FILE = "reproduction.html";

  private record Data(String title, Reproduction reproduction, Definitions definitions) {}

  private ReproductionPage() {}

  /** Writes the page: whole or not at all, over an earlier one only. */
  public static void write(Path folder, Reproduction reproduction) {
    Path file = folder.resolve(FILE);
    Page.checkWritable(file, "Move it elsewhere");
    String title = reproduction.title() + ", beside our figures";
    List<String> scripts = List.of("page.js", "charts.js", "reproduction.js");
    Page.write(file, Page.of(title, scripts, new Data(title, reproduction, Definitions.read())));
  }
}
