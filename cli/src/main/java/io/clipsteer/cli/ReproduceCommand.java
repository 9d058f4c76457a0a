// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.HelpOption;
import io.clipsteer.cli.option.ModelOption;
import io.clipsteer.cli.report.ReproductionPage;
import io.clipsteer.cli.reproduce.PreparedSets;
import io.clipsteer.cli.reproduce.Recipe;
import io.clipsteer.cli.show.ReproductionText;
import io.clipsteer.data.Hashes;
import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.folder.WorkFolder;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.VisionConfig;
import io.clipsteer.lab.reproduce.Reproduction;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code reproduce}: a paper's published numbers beside ours. */
@Command(
    name = "reproduce",
    description = "Measure a paper's published numbers on your model and sets, beside them.",
    footer = {
      "Example: clipsteer reproduce steering-clip --model clip --data sets --out runs/paper --plan",
      "         clipsteer reproduce steering-clip --model clip --data sets --out runs/paper"
    },
    subcommands = {ReproduceCommand.SteeringClip.class, ReproduceCommand.Saev.class})
final class ReproduceCommand {
  /** Name of the result in the command's folder. */
  static final String RESULT = "reproduction.json";

  @Mixin private HelpOption help;

  /** The options of both papers. */
  static final class SharedOptions {
    @Mixin private ModelOption model;

    @Option(
        names = "--data",
        required = true,
        paramLabel = "DIR",
        description = "Folder of the sets, under their usual names; --plan lists them.")
    private Path data;

    @Option(
        names = "--library",
        paramLabel = "DIR",
        description = "Text embeddings, for a model without text tower.")
    private @Nullable Path library;

    @Option(
        names = "--scale",
        defaultValue = "1",
        paramLabel = "S",
        description = "Images, tokens, steps and samples in parts of the paper's, above 0 to 1.")
    private double scale;

    @Option(
        names = "--only",
        split = ",",
        paramLabel = "STAGES",
        description = "Run these stages and those that they need (default: all).")
    private List<String> only = List.of();

    @Option(
        names = "--plan",
        description = {
          "Run nothing: list the sets that are there and missing, check a sample of each, and"
              + " forecast disk, memory and hours."
        })
    private boolean plan;

    @Option(
        names = "--rates",
        paramLabel = "FILE",
        description = {
          "With --plan: the rates of another machine in place of measured ones; JSON as \"rates\""
              + " of --plan --json has it."
        })
    private @Nullable Path rates;

    @Option(
        names = "--out",
        required = true,
        paramLabel = "DIR",
        description = "New folder, or with --resume that of a stopped or finished command.")
    private Path out;

    @Option(
        names = "--resume",
        description = "Resume in --out: finished stages are kept; sets may have come.")
    private boolean resume;
  }

  /** {@code reproduce steering-clip}. */
  @Command(
      name = "steering-clip",
      description = {
        "arXiv 2504.08729, Steering CLIP's vision transformer with sparse autoencoders: SAEs,"
            + " sparsity, steerability, CelebA, Waterbirds, typographic attacks.",
        "Each stage is a command that you can type yourself. Sets that are missing skip their rows,"
            + " not the rest."
      },
      footer =
          "Example: clipsteer reproduce steering-clip --model clip-vit-b-32 --data sets --scale"
              + " 0.01 --out runs/paper")
  static final class SteeringClip implements Callable<Integer> {
    @Mixin private CommonOptions common;
    @Mixin private SharedOptions options;

    @Override
    public Integer call() {
      return run("steering-clip", common, options, null);
    }
  }

  /** {@code reproduce saev}. */
  @Command(
      name = "saev",
      description = {
        "arXiv 2502.06755, SAEs of vision models: the birds of CUB-200-2011, the sand of ADE20K,"
            + " selectivity of all classes, CLIP against DINOv2.",
        "Each stage is a command that you can type yourself. Sets that are missing skip their rows,"
            + " not the rest."
      },
      footer =
          "Example: clipsteer reproduce saev --model clip-vit-b-16 --dino dinov2-b-14-reg --data"
              + " sets --out runs/saev")
  static final class Saev implements Callable<Integer> {
    @Mixin private CommonOptions common;
    @Mixin private SharedOptions options;

    @Option(
        names = "--dino",
        paramLabel = "PATH",
        description = "Checkpoint of DINOv2 (default: its rows are skipped).")
    private @Nullable Path dino;

    @Override
    public Integer call() {
      return run("saev", common, options, dino);
    }
  }

  private static int run(
      String paper, CommonOptions common, SharedOptions options, @Nullable Path dino) {
    common.apply();
    if (!(options.scale > 0 && options.scale <= 1)) {
      throw new InputException("--scale " + options.scale, "not above 0 to 1", "Try 0.01");
    }
    if (!Files.isDirectory(options.data)) {
      throw new InputException(options.data, "there is no such folder", "Name that of the sets");
    }
    Recipe recipe = Recipe.read(paper);
    for (String name : options.only) {
      if (recipe.stages().stream().anyMatch(stage -> stage.name().equals(name))) continue;
      throw new InputException(
          "--only " + name,
          "there is no such stage",
          "Stages are " + String.join(", ", recipe.stages().stream().map(s -> s.name()).toList()));
    }
    if (!options.plan) WorkFolder.check(options.out, CommandStage.LAYOUT, options.resume);
    PaperModels models = models(paper, common, options, dino);
    var job =
        new Reproducing(
            paper,
            recipe,
            models,
            options.only,
            options.scale,
            options.data.toAbsolutePath().normalize(),
            options.out,
            common);
    if (options.rates != null && !options.plan) {
      throw common.usage("--rates is for a forecast: add --plan");
    }
    if (options.plan) {
      job.plan(options.rates);
      return 0;
    }
    Map<String, String> hashes = new HashMap<>();
    hashes.put("model", models.hash());
    Reproduction result;
    try (WorkFolder work =
        WorkFolder.open(
            options.out, CommandStage.LAYOUT, options.resume, common.manifest(hashes, "--only"))) {
      Path sets = options.out.toAbsolutePath().normalize().resolve("sets");
      PreparedSets prepared = models.prepare(job.data(), sets);
      result = job.run(prepared);
      AtomicFiles.writeJson(options.out.resolve(RESULT), result);
      ReproductionPage.write(options.out, result);
      work.finish();
    }
    common.print(result, ReproductionText.of(result, options.out));
    return job.failed() ? 1 : 0;
  }

  /** Reads the models' shapes; they are loaded again by each stage. */
  private static PaperModels models(
      String paper, CommonOptions common, SharedOptions options, @Nullable Path dino) {
    try (ClipModel clip = ClipModel.load(options.model.path(), DType.F32, common.device())) {
      boolean texts = clip.text() != null && clip.tokenizer() != null;
      VisionConfig second = null;
      if (dino != null) {
        try (ClipModel other = ClipModel.load(dino, DType.F32, common.device())) {
          second = other.vision().config();
        }
      }
      return new PaperModels(
          paper,
          options.model.path().toAbsolutePath().normalize(),
          clip.vision().config(),
          clip.vision().flopsPerImage(),
          texts,
          options.library == null ? null : options.library.toAbsolutePath().normalize(),
          dino == null ? null : dino.toAbsolutePath().normalize(),
          second,
          Hashes.sha256(clip.source().weights()));
    }
  }
}
