// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.RunOptions;
import io.clipsteer.data.InputException;
import io.clipsteer.lab.index.FeatureQuery;
import io.clipsteer.lab.index.IndexFolder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** SQL over an index. */
@Command(
    name = "features",
    description = {
      "Query an index with SQL (DuckDB's dialect), read-only.",
      "Tables: features, feature_tops, feature_labels, feature_names, feature_images;"
          + " feature_proxies after clipsteer labels proxies; neurons and neuron_… after clipsteer"
          + " index --units neurons."
    },
    footer =
        "Example: clipsteer features --run runs/l8 \"SELECT id, name, monosemanticity FROM features"
            + " WHERE frequency < 0.01 ORDER BY monosemanticity DESC LIMIT 20\"")
final class FeaturesCommand implements Runnable {
  /** Where the index lies. */
  static final class Place {
    @Option(names = "--run", paramLabel = "RUN", description = "An indexed run.")
    private @Nullable Path run;

    @Option(names = "--index", paramLabel = "DIR", description = "The --out of clipsteer index.")
    private @Nullable Path index;

    IndexFolder folder() {
      if (run != null) return IndexFolder.of(RunOptions.folder(run));
      Path folder = index == null ? Path.of("") : index;
      if (!Files.isDirectory(folder)) {
        throw new InputException(
            folder, "there is no such folder", "Name the --out of clipsteer index");
      }
      return new IndexFolder(folder);
    }
  }

  @Mixin private CommonOptions common;

  @ArgGroup(exclusive = true, multiplicity = "1")
  private Place place;

  @Option(names = "--csv", description = "Print comma-separated values.")
  private boolean csv;

  @Parameters(paramLabel = "SQL", description = "One query.")
  private String sql;

  @Override
  public void run() {
    common.applyOnCpu();
    FeatureQuery.QueryRows rows = FeatureQuery.run(place.folder(), sql);
    common.print(rows, csv ? FeatureQuery.csv(rows) : columns(rows));
  }

  /** Aligned columns; a cell over 60 characters is cut. */
  private static String columns(FeatureQuery.QueryRows rows) {
    List<List<String>> lines = new ArrayList<>();
    lines.add(rows.columns());
    for (List<@Nullable Object> row : rows.rows()) {
      lines.add(row.stream().map(FeaturesCommand::shown).toList());
    }
    int n = rows.columns().size();
    int[] width = new int[n];
    for (List<String> line : lines) {
      for (int c = 0; c < n; c++) width[c] = Math.max(width[c], line.get(c).length());
    }
    StringBuilder text = new StringBuilder();
    for (List<String> line : lines) {
      StringBuilder padded = new StringBuilder();
      for (int c = 0; c < n; c++) {
        padded.append(line.get(c)).repeat(' ', width[c] - line.get(c).length() + 2);
      }
      text.append(padded.toString().stripTrailing()).append('\n');
    }
    return text.toString();
  }

  private static String shown(@Nullable Object cell) {
    String text = cell == null ? "" : cell.toString();
    StringBuilder clean = new StringBuilder();
    text.codePoints()
        .limit(60)
        .forEach(c -> clean.appendCodePoint(Character.isISOControl(c) ? ' ' : c));
    return text.length() > 60 ? clean + "…" : clean.toString();
  }
}
