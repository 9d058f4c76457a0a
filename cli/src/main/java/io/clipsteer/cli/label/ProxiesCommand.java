// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.label;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonUnwrapped;
import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.ImageOptions;
import io.clipsteer.cli.option.RunOptions;
import io.clipsteer.cli.option.Skips;
import io.clipsteer.cli.report.Commands;
import io.clipsteer.cli.show.Lines;
import io.clipsteer.data.Hashes;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.folder.RunManifest;
import io.clipsteer.data.folder.WorkFolder;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.lab.index.IndexFolder;
import io.clipsteer.lab.index.IndexedUnits;
import io.clipsteer.lab.index.ProxyTable;
import io.clipsteer.lab.label.ProxyRun;
import io.clipsteer.lab.run.Counted;
import io.clipsteer.lab.run.Images;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code labels proxies}: an encoder in the place of annotators. */
@Command(
    name = "proxies",
    description = {
      "Estimate how well people would understand every feature: an encoder, the judge, plays the"
          + " annotator in 2AFC, intruder and name verification.",
      "Reads the index's images once. The scores go to the index's table feature_proxies; judges"
          + " accumulate."
    },
    footer =
        "Example: clipsteer labels proxies --run runs/l8 --images photos --judge models/dinov2")
final class ProxiesCommand implements Runnable {
  private static final int MOST_DRAWS = 10_000;

  @Mixin private CommonOptions common;
  @Mixin private ImageOptions images;
  @Mixin private RunOptions runs;

  @Option(
      names = "--judge",
      paramLabel = "MODEL",
      description = {
        "Checkpoint that judges the images (default: the run's own model, whose scores are"
            + " circular: its features come from it)."
      })
  private @Nullable Path judge;

  @Option(
      names = "--draws",
      defaultValue = "20",
      description = "Random draws of each task and feature.")
  private int draws;

  /** What {@code --json} prints. */
  private record Json(
      String index,
      @JsonUnwrapped @JsonIgnoreProperties("skipped") ProxyRun.ProxySummary result,
      @JsonUnwrapped Skips.Counts skips) {}

  @Override
  public void run() {
    common.apply();
    CommonOptions.within("--draws", draws, 1, MOST_DRAWS);
    IndexFolder index = IndexFolder.of(runs.folder());
    IndexFolder.IndexManifest indexed = index.read(IndexedUnits.FEATURES);
    ProxyRun.ProxySummary result;
    try (ClipModel model = model()) {
      Images set = images.resolve(model);
      ProxyRun.check(index, set);
      Path origin = set.set().origin().toAbsolutePath().normalize();
      if (!origin.toString().equals(indexed.source())) {
        System.err.println(
            "the index was made of images in " + indexed.source() + "; these have the same names");
      }
      String hash = Hashes.sha256(model.source().weights());
      Map<String, String> hashes = new HashMap<>();
      hashes.put("judge", hash);
      hashes.put("data", images.hash());
      try (WorkFolder work =
          WorkFolder.addTo(index.path(), ProxyTable.MANIFEST, common.manifest(hashes))) {
        AtomicFiles.sweep(work.path());
        boolean circular = judge == null || hash.equals(modelHash(index));
        result =
            new ProxyRun(index, model, circular, set, draws, common.seed()).run(common.progress());
        work.finish();
      }
    }
    common.print(
        new Json(index.path().toString(), result, images.report(result.skipped())),
        text(index, result));
  }

  private ClipModel model() {
    if (judge != null) return ClipModel.load(judge, DType.F32, common.device());
    return runs.load(runs.folder().read(), common.device());
  }

  /** SHA-256 of the weights that the features come from; empty where it is not known. */
  private static String modelHash(IndexFolder index) {
    RunManifest made = index.made(IndexedUnits.FEATURES);
    return made == null ? "" : made.hashes().getOrDefault("model", "");
  }

  private String text(IndexFolder index, ProxyRun.ProxySummary result) {
    Lines text = new Lines();
    text.add(
        "%s judged by %s on %s, %s each; %.1f s%n",
        Counted.of(result.features(), "feature"),
        result.judge(),
        Counted.of(result.images(), "image"),
        Counted.of(result.draws(), "draw"),
        result.seconds());
    line(text, "2AFC", result.twoAfc(), 0.5);
    line(text, "intruder", result.intruder(), 0.2);
    line(text, "name verification", result.verification(), 0.5);
    text.add(
        "not scored: %s with fewer than 10 top images, or 10 others; %,d active on more than half"
            + " of the images%n",
        Counted.of(result.tooFewImages(), "feature"), result.tooFrequent());
    if (result.circular()) {
      text.add(
          "The judge is the model that the features come from, so the scores are circular. Give"
              + " --judge for another one%n");
    }
    text.add(
        "table feature_proxies in %s. To query it, for example:%n  %s%n",
        index.path(),
        Commands.line(
            List.of(
                "features",
                "--run",
                runs.path().toString(),
                "SELECT sae, id, judge, two_afc, intruder FROM feature_proxies WHERE two_afc IS NOT"
                    + " NULL ORDER BY two_afc DESC, intruder DESC LIMIT 10")));
    return text.toString();
  }

  private static void line(Lines text, String name, ProxyRun.ProxyMean score, double chance) {
    text.add(
        "%-18s %s mean of %s (chance %.1f)%n",
        name, Lines.orDash("%.3f", score.mean()), Counted.of(score.features(), "feature"), chance);
  }
}
