// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.RunOptions;
import io.clipsteer.cli.option.Skips;
import io.clipsteer.cli.report.Report;
import io.clipsteer.data.InputException;
import io.clipsteer.data.image.ImageDecoder;
import io.clipsteer.data.imageset.ImageSet;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.lab.index.IndexFolder;
import io.clipsteer.lab.index.IndexedUnits;
import io.clipsteer.lab.run.Counted;
import io.clipsteer.lab.run.RunFolder;
import io.clipsteer.lab.steer.SteerabilityFolder;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** A run as one HTML file. */
@Command(
    name = "report",
    description = {
      "Writes what is known of a run as one HTML file that loads nothing: overview, a gallery of"
          + " features with search, a page for each feature with its strongest images. The run"
          + " must be indexed; evaluate and steerability add their sections, suppress and defend"
          + " too with --edit.",
      "Of each SAE a third of the features shown are the clearest (monosemanticity), a third those"
          + " that steer most, and the rest a random sample. Images are read again from where"
          + " the index saw them, and kept small enough for a page of 25 MB."
    },
    footer = {
      "",
      "Example: clipsteer report --run runs/l8 --out report.html",
    })
final class ReportCommand implements Callable<Integer> {
  @Mixin private CommonOptions common;

  @Mixin private RunOptions runs;

  @Option(
      names = "--index",
      paramLabel = "DIR",
      description = "What index --out named (default: index in the run's folder).")
  private @Nullable Path indexed;

  @Option(
      names = "--steerability",
      paramLabel = "DIR",
      description =
          "What steerability --out named (default: RUN/steerability or RUN-steerability, if there"
              + " is one).")
  private @Nullable Path steerability;

  @Option(
      names = "--edit",
      paramLabel = "EDIT",
      description = "What suppress or defend --out named; any number of times.")
  private List<Path> edits = List.of();

  @Option(
      names = "--images",
      paramLabel = "SRC",
      description = "Where the images are now (default: where index read them).")
  private @Nullable Path images;

  @Option(names = "--no-images", description = "Leave the images out.")
  private boolean blind;

  @Option(names = "--upright", description = "As index --upright: turn by EXIF orientation.")
  private boolean upright;

  @Option(
      names = "--features",
      defaultValue = "500",
      paramLabel = "N",
      description = "Features shown at most (default: ${DEFAULT-VALUE}).")
  private int features;

  @Option(
      names = "--exemplars",
      defaultValue = "12",
      paramLabel = "N",
      description = "Images for each feature (default: ${DEFAULT-VALUE}).")
  private int exemplars;

  @Option(
      names = "--out",
      required = true,
      paramLabel = "FILE",
      description = "The page; an earlier report there is replaced, nothing else is.")
  private Path out;

  @Override
  public Integer call() {
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
    var report = new Report(folder, index, steered(), edits, features, exemplars, common.seed());
    Report.Result result;
    if (blind) {
      result = report.write(out, null, common.progress());
    } else {
      ImageSet set = Skips.open(source(index.read(IndexedUnits.FEATURES).source()));
      var decoding = new ImageDecoder.Options(ImageDecoder.Options.DEFAULT.maxPixels(), upright);
      try (ClipModel clip = runs.load(trained, common.device())) {
        var source = new Report.Source(set, clip.preprocessing(), decoding);
        result = report.write(out, source, common.progress());
      }
    }
    if (!result.missing().isEmpty()) {
      System.err.println(
          "no longer there (see --images): "
              + Counted.of(result.missing().size(), "image")
              + ", the first: "
              + result.missing().getFirst());
    }
    common.print(json(result), text(result));
    return 0;
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
        "Say with --images where they are, or leave them out with --no-images");
  }

  private Map<String, Object> json(Report.Result result) {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("file", out.toString());
    json.put("bytes", result.bytes());
    json.put("features", result.features());
    json.put("images", result.images());
    json.put("missing", result.missing().size());
    json.put("evaluation", result.evaluation());
    json.put("steerability", result.steerability());
    return json;
  }

  private String text(Report.Result result) {
    StringBuilder text = new StringBuilder();
    text.append(
        String.format(
            Locale.ROOT,
            "%s: %.1f MB, %s, %s%n",
            out,
            result.bytes() * 1e-6,
            Counted.of(result.features(), "feature"),
            Counted.of(result.images(), "image")));
    if (!result.evaluation()) {
      text.append("without reconstruction: clipsteer evaluate --run RUN --images SRC adds it\n");
    }
    if (!result.steerability()) {
      text.append("without steerability: clipsteer steerability --run RUN … adds it\n");
    }
    return text.toString();
  }
}
