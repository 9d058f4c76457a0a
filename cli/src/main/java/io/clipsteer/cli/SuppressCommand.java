// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.data.Hashes;
import io.clipsteer.data.InputException;
import io.clipsteer.data.RunManifest;
import io.clipsteer.data.image.GroupSource;
import io.clipsteer.data.image.ImageDecoder;
import io.clipsteer.data.image.ImageLoader;
import io.clipsteer.engine.Engine;
import io.clipsteer.engine.model.ClipModel;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.lab.Progress;
import io.clipsteer.lab.RunFolder;
import io.clipsteer.lab.RunSaes;
import io.clipsteer.lab.Versions;
import io.clipsteer.lab.suppress.EditFolder;
import io.clipsteer.lab.suppress.Settings;
import io.clipsteer.lab.suppress.Study;
import io.clipsteer.lab.suppress.StudySource;
import io.clipsteer.lab.suppress.SuppressionReport;
import io.clipsteer.lab.suppress.SuppressionRun;
import io.clipsteer.lab.suppress.Wording;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Takes away what a model should not rely on. */
@Command(
    name = "suppress",
    description = {
      "Finds the features by which a model leans on what it should not (hair colour, background,"
          + " written words), takes them away, and proves effect and cost.",
      "Features are ranked on training pictures, their number and the layer are chosen on"
          + " validation pictures, and the one edit chosen is asked once on test pictures, beside"
          + " neurons, random features, random directions and the projected mean difference."
    },
    footer = {
      "",
      "Example: clipsteer suppress --run runs/all --data celeba:celeba --layers 0-11 --out"
          + " no-blond",
    })
final class SuppressCommand implements Callable<Integer> {
  @Mixin private CommonOptions common;
  @Mixin private RunOptions runs;
  @Spec private CommandSpec spec;

  @Option(
      names = "--data",
      required = true,
      paramLabel = "LAYOUT:PATH",
      description = {
        "celeba:DIR, waterbirds:DIR, typographic:DIR, disentangling:DIR or csv:FILE (file, target,"
            + " attribute, perhaps split). Without splits of its own the set is dealt out by"
            + " --seed: a quarter to train, a quarter to choose, half to report."
      })
  private String data;

  @Option(
      names = "--train",
      paramLabel = "LAYOUT:PATH",
      description = "Rank features on all of these; then all of --data is reported on.")
  private @Nullable String train;

  @Option(
      names = "--validation",
      paramLabel = "LAYOUT:PATH",
      description = "Choose number and layer on all of these (with --train).")
  private @Nullable String validation;

  @Option(
      names = "--layers",
      paramLabel = "LIST",
      description = "Layers, as 2,8 or 0-11 (default: all of the run).")
  private @Nullable String layers;

  @Option(
      names = "--select",
      defaultValue = "mean-difference",
      paramLabel = "WAY",
      description = "mean-difference, auroc, causal or greedy (default: ${DEFAULT-VALUE}).")
  private String select;

  @Option(
      names = "--edit",
      defaultValue = "ablate",
      paramLabel = "EDIT",
      description = {
        "ablate, mean, or scale:F, F times the largest activation as saev"
            + " (default: ${DEFAULT-VALUE})."
      })
  private String edit;

  @Option(
      names = "--at",
      paramLabel = "TOKENS",
      description = "all, cls or patches (default: the tokens that the SAE reads).")
  private @Nullable String at;

  @Option(
      names = "--sizes",
      split = ",",
      defaultValue = "1,2,4,8,16,32,64",
      paramLabel = "K",
      description = "Numbers of features to choose from (default: ${DEFAULT-VALUE}).")
  private List<Integer> sizes;

  @Option(
      names = "--attribute",
      paramLabel = "NAME",
      description = "What to suppress, where a table has more than two attributes.")
  private @Nullable String attribute;

  @Option(
      names = "--clean",
      paramLabel = "SRC",
      description = {
        "Pictures in class folders on which accuracy must hold; for written words, pictures"
            + " without writing."
      })
  private @Nullable Path clean;

  @Option(
      names = "--max-clean-loss",
      defaultValue = "1.0",
      paramLabel = "POINTS",
      description = {
        "Points of accuracy that validation may lose overall, and on --clean"
            + " (default: ${DEFAULT-VALUE})."
      })
  private double maxLoss;

  @Option(
      names = "--baselines",
      defaultValue = "all",
      paramLabel = "all|none",
      description = "What the method is held against (default: ${DEFAULT-VALUE}).")
  private String baselines;

  @Option(
      names = "--draws",
      defaultValue = "10",
      paramLabel = "N",
      description = "Random feature sets and directions (default: ${DEFAULT-VALUE}).")
  private int draws;

  @Option(
      names = "--per-group",
      defaultValue = "1000",
      paramLabel = "N",
      description = {
        "Training and validation pictures of each group, at most (default: ${DEFAULT-VALUE})."
      })
  private int perGroup;

  @Option(
      names = "--balanced",
      description = "Cut every group of each part down to the smallest, by --seed, as the paper.")
  private boolean balanced;

  @Option(
      names = "--prompts",
      paramLabel = "FILE",
      description = "Lines of target, tab, text; several texts of a target are averaged.")
  private @Nullable Path prompts;

  @Option(
      names = "--library",
      paramLabel = "DIR",
      description = "Folder with text_embeddings.safetensors and words.txt, for the targets.")
  private @Nullable Path library;

  @Option(
      names = "--image-batch",
      defaultValue = "32",
      paramLabel = "N",
      description = "Pictures the tower takes at once (default: ${DEFAULT-VALUE}).")
  private int batch;

  @Option(names = "--out", required = true, paramLabel = "EDIT", description = "New folder.")
  private Path out;

  @Override
  public Integer call() {
    common.apply();
    Settings settings =
        new Settings(
            Settings.Select.parse(select),
            Settings.Change.parse(edit),
            at == null ? null : TokenSelection.parse(at),
            sizes,
            maxLoss,
            draws,
            common.seed());
    boolean rivals = rivals();
    StudySource source = source();
    Wording wording = new Wording(prompts, library);
    ImageLoader.Options options = options();
    EditFolder.checkNew(out);
    RunFolder folder = runs.folder();
    RunFolder.Run trained = Layers.chosen(folder.read(), layers);
    try (ClipModel clip = runs.load(trained, common.device());
        RunSaes saes = RunSaes.open(folder, trained, clip)) {
      Progress progress = common.progress();
      Study study = source.read(clip, wording, options, progress);
      String hash = Hashes.sha256(clip.source().weights());
      RunManifest manifest =
          RunManifest.begin(
              spec.root().commandLine().getParseResult().originalArgs(),
              config(settings),
              Map.of("suppress", common.seed()),
              Map.of("model", hash),
              Versions.CLIPSTEER,
              Engine.torchVersion(),
              null);
      SuppressionReport report =
          new SuppressionRun(clip, saes, study, settings).run(rivals, progress);
      EditFolder.write(out, report, runs.path(), hash, manifest);
      report.skipped().forEach(s -> System.err.println("left out " + s.id() + ": " + s.reason()));
      common.print(report.json(), report.text());
    }
    return 0;
  }

  private boolean rivals() {
    return switch (baselines) {
      case "all" -> true;
      case "none" -> false;
      default ->
          throw new InputException("--baselines " + baselines, "not known", "Use all or none");
    };
  }

  private StudySource source() {
    return new StudySource(
        GroupSource.parse("--data", data),
        train == null ? null : GroupSource.parse("--train", train),
        validation == null ? null : GroupSource.parse("--validation", validation),
        clean,
        attribute,
        perGroup,
        balanced,
        common.seed());
  }

  private ImageLoader.Options options() {
    if (batch < 1 || batch > 1 << 16) {
      throw new InputException("--image-batch " + batch, "not from 1 to 65536", "Try 32");
    }
    int decoders = Runtime.getRuntime().availableProcessors();
    return new ImageLoader.Options(
        batch, decoders, 2, 0, Long.MAX_VALUE, ImageDecoder.Options.DEFAULT);
  }

  private Map<String, Object> config(Settings settings) {
    Map<String, Object> config = new LinkedHashMap<>();
    config.put("run", runs.path().toAbsolutePath().normalize().toString());
    config.put("data", data);
    config.put("train", String.valueOf(train));
    config.put("validation", String.valueOf(validation));
    config.put("clean", String.valueOf(clean));
    config.put("layers", String.valueOf(layers));
    config.put("select", settings.select().word());
    config.put("edit", settings.change().word());
    config.put("at", String.valueOf(at));
    config.put("sizes", new ArrayList<>(settings.sizes()));
    config.put("attribute", String.valueOf(attribute));
    config.put("max_clean_loss", settings.maxLoss());
    config.put("draws", settings.draws());
    config.put("per_group", perGroup);
    config.put("balanced", balanced);
    config.put("prompts", String.valueOf(prompts));
    config.put("library", String.valueOf(library));
    return config;
  }
}
