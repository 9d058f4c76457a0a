// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.ImageOptions;
import io.clipsteer.cli.option.RunOptions;
import io.clipsteer.cli.show.Lines;
import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.RunManifest;
import io.clipsteer.data.folder.WorkFolder;
import io.clipsteer.data.stats.Share;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.format.SaeFiles;
import io.clipsteer.lab.compare.CompareRun;
import io.clipsteer.lab.compare.CompareSettings;
import io.clipsteer.lab.compare.Comparison;
import io.clipsteer.lab.run.Counted;
import io.clipsteer.lab.run.RunFolder;
import io.clipsteer.lab.run.RunSaes;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code compare}: the features that two runs share. */
@Command(
    name = "compare",
    description = {
      "Find the features that two runs share: across seeds, layers, recipes or models.",
      "Features are matched by the cosine of decoder directions where both runs have the same"
          + " model, and with --images by the correlation of activations, which also works across"
          + " models. The matching is optimal (the assignment problem), or of mutual nearest"
          + " neighbours in SAEs larger than --assign-up-to."
    },
    footer =
        "Example: clipsteer compare runs/seed1 runs/seed2 --images photos --out runs/seeds --json")
final class CompareCommand implements Runnable {
  @Mixin private CommonOptions common;

  @Mixin private ImageOptions images;

  @Parameters(index = "0", paramLabel = "RUN_A", description = "A training run.")
  private Path first;

  @Parameters(
      index = "1",
      paramLabel = "RUN_B",
      description = "Another run, or the same one to compare its layers.")
  private Path second;

  @Option(
      names = "--model-a",
      paramLabel = "PATH",
      description = "RUN_A's checkpoint, if it has moved since the training.")
  private @Nullable Path modelA;

  @Option(names = "--model-b", paramLabel = "PATH", description = "RUN_B's checkpoint, likewise.")
  private @Nullable Path modelB;

  @Option(
      names = "--threshold",
      defaultValue = "0.7",
      description = "Cosine or correlation from which two features match.")
  private double threshold;

  @Option(
      names = "--min-images",
      defaultValue = "5",
      description = "Correlate features that are active on N images or more.")
  private int least;

  @Option(
      names = "--assign-up-to",
      defaultValue = "8192",
      description = "Most features for the optimal matching.")
  private int most;

  @Option(
      names = "--out",
      paramLabel = "DIR",
      description = "New folder for compare.json and features.parquet (default: print only).")
  private @Nullable Path out;

  /** One of the two runs. */
  private record Side(RunFolder folder, RunFolder.Run trained) {
    static Side of(Path run) {
      RunFolder folder = RunOptions.folder(run);
      return new Side(folder, folder.read());
    }

    RunSaes saes(ClipModel clip) {
      return RunSaes.open(folder, trained, clip);
    }

    /** The SAEs of a run whose model is not needed. */
    RunSaes saes() {
      List<RunSaes.One> all = new ArrayList<>();
      try {
        for (RunFolder.SaeEntry entry : trained.saes()) {
          Sae sae = SaeFiles.read(folder.sae(entry));
          all.add(new RunSaes.One(entry, sae));
        }
        return new RunSaes(all);
      } catch (RuntimeException e) {
        for (RunSaes.One one : all) one.sae().close();
        throw e;
      }
    }
  }

  @Override
  public void run() {
    common.apply();
    var settings = new CompareSettings(threshold, most, least, common.seed());
    Side a = Side.of(first);
    Side b = Side.of(second);
    boolean sameRun = same(first, second);
    boolean sameModel = sameRun || sameModel(a, b);
    var runs =
        new Comparison.Runs(
            first.toString(),
            second.toString(),
            a.trained.model(),
            b.trained.model(),
            images.isGiven() ? images.images().toString() : null);
    Comparison comparison;
    try (WorkFolder work = out == null ? null : open(out, a, b)) {
      comparison =
          images.isGiven()
              ? byActivations(a, b, sameRun, sameModel, settings)
              : byDirections(a, b, sameRun, sameModel, settings);
      if (work != null) {
        comparison.write(work.path(), runs);
        work.finish();
      }
    }
    images.report(comparison.skipped());
    common.print(comparison.json(runs), text(comparison));
  }

  private WorkFolder open(Path folder, Side a, Side b) {
    WorkFolder.check(folder, WorkFolder.ALONE, false);
    Map<String, String> hashes = new LinkedHashMap<>();
    RunOptions.saes(a.folder, a.trained).forEach((sae, hash) -> hashes.put("a/" + sae, hash));
    RunOptions.saes(b.folder, b.trained).forEach((sae, hash) -> hashes.put("b/" + sae, hash));
    hashes.put("model", Objects.requireNonNullElse(hash(a.folder), ""));
    hashes.put("model_b", Objects.requireNonNullElse(hash(b.folder), ""));
    hashes.put("data", images.hash());
    return WorkFolder.open(folder, WorkFolder.ALONE, false, common.manifest(hashes));
  }

  private static boolean same(Path one, Path other) {
    try {
      return Files.isSameFile(one, other);
    } catch (IOException e) {
      return one.toAbsolutePath().normalize().equals(other.toAbsolutePath().normalize());
    }
  }

  /** By the weights' checksums in the manifests; without them by the path. */
  private static boolean sameModel(Side a, Side b) {
    String hashA = hash(a.folder);
    String hashB = hash(b.folder);
    return hashA != null && hashB != null
        ? hashA.equals(hashB)
        : a.trained.model().equals(b.trained.model());
  }

  private static @Nullable String hash(RunFolder run) {
    RunManifest manifest = run.manifest();
    return manifest == null ? null : manifest.hashes().get("model");
  }

  private Comparison byActivations(
      Side a, Side b, boolean sameRun, boolean sameModel, CompareSettings settings) {
    Path checkpointA = RunOptions.checkpoint(first, a.trained, modelA, "--model-a");
    try (ClipModel clipA = load(checkpointA);
        RunSaes saesA = a.saes(clipA)) {
      var imagesA = new CompareRun.ModelImages(clipA, images.resolve(clipA));
      if (sameModel) {
        try (RunSaes saesB = sameRun ? saesA : b.saes(clipA)) {
          var run = new CompareRun(saesA, saesB, true, settings);
          return run.run(imagesA, null, common.progress());
        }
      }
      Path checkpointB = RunOptions.checkpoint(second, b.trained, modelB, "--model-b");
      try (ClipModel clipB = load(checkpointB);
          RunSaes saesB = b.saes(clipB)) {
        var imagesB = new CompareRun.ModelImages(clipB, images.resolve(clipB));
        var run = new CompareRun(saesA, saesB, false, settings);
        return run.run(imagesA, imagesB, common.progress());
      }
    }
  }

  private ClipModel load(Path checkpoint) {
    return ClipModel.load(checkpoint, DType.F32, common.device());
  }

  /** Without images, and therefore without a model. */
  private Comparison byDirections(
      Side a, Side b, boolean sameRun, boolean sameModel, CompareSettings settings) {
    try (RunSaes saesA = a.saes();
        RunSaes saesB = sameRun ? saesA : b.saes()) {
      int width = saesB.all().getFirst().sae().width();
      if (sameModel && saesA.all().getFirst().sae().width() != width) {
        throw new InputException(
            second, "has SAEs of width " + width, "Compare runs on one model, or give --images");
      }
      var run = new CompareRun(saesA, saesB, sameModel, settings);
      return run.run(null, null, common.progress());
    }
  }

  private String text(Comparison comparison) {
    Lines text = new Lines();
    text.add(
        "%s; features are the same from %s%n%n",
        comparison.images() == 0 ? "no images" : Counted.of(comparison.images(), "image"),
        threshold);
    for (Comparison.Pair pair : comparison.pairs()) {
      Share a = pair.overlap(true, threshold);
      Share b = pair.overlap(false, threshold);
      text.add("A %s%nB %s%n", pair.a(), pair.b());
      text.add(
          "  by %s (%s): shared are %s of A, %s of B%n",
          pair.method().equals("decoder") ? "direction" : "activation",
          pair.matching().optimal() ? "assignment" : "mutual nearest",
          share(a),
          share(b));
      text.add(
          "  nearest feature of B: mean %.3f, by chance %.3f; %d features only in A, %d only in"
              + " B%n",
          pair.matching().a().mean(),
          pair.chance().mean(),
          pair.only(true, threshold),
          pair.only(false, threshold));
    }
    for (Comparison.Drift drift : comparison.drifts()) {
      text.add("%nmean similarity of A's features to their nearest in B, by %s%n", drift.method());
      for (int i = 0; i < drift.a().size(); i++) {
        for (double value : drift.values()[i]) text.add("%7.3f", value);
        text.add("  %s%n", drift.a().get(i));
      }
      text.add("columns: %s%n", String.join(", ", drift.b()));
    }
    return text.toString();
  }

  private static String share(Share share) {
    return Lines.of(
        "%.1f %% (%.1f to %.1f, n = %d)",
        100 * share.value(), 100 * share.low(), 100 * share.high(), share.n());
  }
}
