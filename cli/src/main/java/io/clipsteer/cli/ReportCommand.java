// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.ImageOptions;
import io.clipsteer.cli.option.RunOptions;
import io.clipsteer.cli.option.Skips;
import io.clipsteer.cli.report.Report;
import io.clipsteer.cli.show.Lines;
import io.clipsteer.data.InputException;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.imageset.ImageSet;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.lab.index.IndexFolder;
import io.clipsteer.lab.index.IndexedUnits;
import io.clipsteer.lab.run.Counted;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.RunFolder;
import io.clipsteer.lab.steer.SteerabilityFolder;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code report}: a run as one HTML page. */
@Command(
    name = "report",
    description = {
      "Write a run's results as one HTML page that works offline.",
      "It has an overview, a searchable gallery of features, and for each feature its top images."
          + " The run must be indexed. evaluate and steerability add their sections, --edit those"
          + " of suppress and defend, --study those of study selectivity, --labels those of human"
          + " evaluation.",
      "It also writes card.md, a summary to cite, into the run's folder and those of --edit: what,"
          + " on which data, how good, controls, limits, hashes, commands.",
      "Of each SAE's features shown, a third have the highest monosemanticity, a third the highest"
          + " steerability, and the rest are a random sample. The page has 25 MB at most."
    },
    footer = "Example: clipsteer report --run runs/l8 --out report.html")
final class ReportCommand implements Runnable {
  @Mixin private CommonOptions common;

  @Mixin private RunOptions runs;

  @Option(
      names = "--index",
      paramLabel = "DIR",
      description = "The --out of clipsteer index (default: RUN/index).")
  private @Nullable Path indexed;

  @Option(
      names = "--steerability",
      paramLabel = "DIR",
      description =
          "The --out of clipsteer steerability (default: RUN/steerability or RUN-steerability, if"
              + " one exists).")
  private @Nullable Path steerability;

  @Option(
      names = "--edit",
      paramLabel = "EDIT",
      description = "The --out of clipsteer suppress or defend. Repeatable.")
  private List<Path> edits = List.of();

  @Option(
      names = "--study",
      paramLabel = "DIR",
      description = "The --out of clipsteer study selectivity. Repeatable.")
  private List<Path> studies = List.of();

  @Option(
      names = "--labels",
      paramLabel = "DIR",
      description = "The --out of clipsteer labels plan, with answers. Repeatable.")
  private List<Path> evaluations = List.of();

  @Option(
      names = "--images",
      paramLabel = "SRC",
      description = "The indexed images, if they have moved.")
  private @Nullable Path images;

  @Option(names = "--no-images", description = "Write the page without images.")
  private boolean blind;

  @Option(
      names = "--upright",
      description = "Rotate images by their EXIF orientation, as index --upright.")
  private boolean upright;

  @Option(
      names = "--features",
      defaultValue = "500",
      description = "Most features on the page, besides those that an edit changes.")
  private int features;

  @Option(names = "--exemplars", defaultValue = "12", description = "Top images per feature.")
  private int exemplars;

  @Option(
      names = "--out",
      required = true,
      paramLabel = "FILE",
      description = "HTML file; only an earlier report is overwritten.")
  private Path out;

  @Override
  public void run() {
    common.apply();
    RunFolder folder = runs.folder();
    RunFolder.Run trained = folder.read();
    IndexFolder index = indexed == null ? IndexFolder.of(folder) : new IndexFolder(indexed);
    if (!index.has(IndexedUnits.FEATURES)) {
      throw new InputException(
          index.path(),
          "the run is not indexed yet",
          "First: clipsteer index --run " + runs.path() + " --images SRC");
    }
    Report.checkWritable(out);
    var report =
        new Report(
            folder,
            index,
            steered(),
            edits,
            studies,
            evaluations,
            features,
            exemplars,
            common.seed());
    Report.WrittenReport result;
    if (blind) {
      result = report.write(out, null, common.progress());
    } else {
      ImageSet set = Skips.open(source(index.read(IndexedUnits.FEATURES).source()));
      var decoding = ImageOptions.decoding(upright);
      var options = new ImageLoader.Options(1, 1, 1, 0, Long.MAX_VALUE, decoding);
      try (ClipModel clip = runs.load(trained, common.device())) {
        Images shown = new Images(set, clip.preprocessing(), options);
        result = report.write(out, shown, common.progress());
      }
    }
    if (result.firstMissing() != null) {
      System.err.println(
          "missing images (see --images): "
              + Counted.of(result.missing(), "image")
              + ", the first: "
              + result.firstMissing());
    }
    common.print(result, text(result));
  }

  private @Nullable Path steered() {
    if (steerability != null) return steerability;
    Path run = runs.path().toAbsolutePath().normalize();
    for (Path place :
        new Path[] {
          run.resolve("steerability"), run.resolveSibling(run.getFileName() + "-steerability")
        }) {
      if (Files.isRegularFile(new SteerabilityFolder(place).report())) return place;
    }
    return null;
  }

  private Path source(String recorded) {
    if (images != null) return images;
    try {
      Path path = Path.of(recorded);
      if (Files.exists(path)) return path;
    } catch (InvalidPathException e) {
      // Written on another system: as good as moved.
    }
    throw new InputException(
        recorded,
        "the images that were indexed are no longer there",
        "Give their path with --images, or write the page with --no-images");
  }

  private String text(Report.WrittenReport result) {
    Lines text = new Lines();
    text.add(
        "%s: %.1f MB, %s%s, %s%n",
        out,
        result.bytes() * 1e-6,
        Counted.of(result.features(), "feature"),
        result.edited() == 0 ? "" : ", " + result.edited() + " of them only changed by an edit",
        Counted.of(result.images(), "image"));
    for (String card : result.cards()) text.add("%s: card%n", card);
    if (!result.evaluation()) {
      text.add("no section on reconstruction: clipsteer evaluate adds it%n");
    }
    if (!result.steerability()) {
      text.add("no section on steerability: clipsteer steerability adds it%n");
    }
    return text.toString();
  }
}
