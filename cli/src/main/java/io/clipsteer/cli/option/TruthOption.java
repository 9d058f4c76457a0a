// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The true class of each image. */
public final class TruthOption {
  /** Columns that hold it, the first that a table has. */
  public static final List<String> COLUMNS = List.of("index", "label", "class");

  @Option(
      names = "--truth",
      paramLabel = "TABLE",
      description =
          "True classes of the images: a .csv or .tsv with the column file and one of index"
              + " (position among the class names, from 0), label or class (a name, or its"
              + " position).")
  private @Nullable Path table;

  /** The table; null where none is given. */
  public @Nullable Path table() {
    return table;
  }
}
