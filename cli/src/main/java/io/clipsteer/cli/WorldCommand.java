// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.HelpOption;
import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.folder.RunManifest;
import io.clipsteer.data.folder.WorkFolder;
import io.clipsteer.data.stats.Share;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.lab.demo.DemoClip;
import io.clipsteer.lab.demo.Evaluation;
import io.clipsteer.lab.demo.PretrainConfig;
import io.clipsteer.lab.demo.Pretraining;
import io.clipsteer.lab.run.Counted;
import io.clipsteer.world.ContactSheet;
import io.clipsteer.world.WorldSet;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The demo world: its images, and the CLIP trained on them. */
@Command(
    name = "world",
    description = "The demo world: generated images with known truth, and its own CLIP.",
    footer = {"", "Example: clipsteer world generate --set birds --split test --out birds"},
    subcommands = {
      WorldCommand.Model.class,
      WorldCommand.Generate.class,
      WorldCommand.Pretrain.class,
      WorldCommand.Evaluate.class,
      WorldCommand.Sheet.class
    })
final class WorldCommand implements Runnable {
  private static final int MIN_SIZE = 16;
  private static final int MAX_SIZE = 2048;

  /** A sheet of 208 such images is 222 MB of pixels. */
  private static final int MAX_ON_SHEET = 512;

  /** Enough for every word that captions have. */
  private static final int CAPTIONS = 20_000;

  @Spec private CommandSpec spec;

  @Mixin private HelpOption help;

  @Override
  public void run() {
    throw new ParameterException(
        spec.commandLine(), "Name what to do: model, generate, pretrain, evaluate or sheet.");
  }

  private static void checkSize(int size, int most) {
    if (size < MIN_SIZE || size > most) {
      throw new InputException(
          "--size " + size, "is out of range", "Use " + MIN_SIZE + " to " + most);
    }
  }

  /** The CLIP that is shipped. */
  @Command(
      name = "model",
      description = {
        "Writes the demo CLIP that comes with the program as an ordinary checkpoint folder,",
        "and words.txt beside it: the words of the captions that it was trained on."
      },
      footer = {"", "Example: clipsteer world model --out models/demo-clip"})
  static final class Model implements Callable<Integer> {
    private static final String WORDS = "words.txt";

    @Mixin private CommonOptions common;

    @Option(names = "--out", required = true, paramLabel = "DIR", description = "New folder.")
    private Path out;

    @Override
    public Integer call() {
      common.apply();
      // Of the captions it was trained on; "a" and its like name nothing.
      List<String> words =
          Pretraining.captionWords(1, CAPTIONS).keySet().stream()
              .filter(word -> word.length() > 2)
              .sorted()
              .toList();
      WorkFolder.write(
          out,
          folder -> {
            DemoClip.unpack(folder);
            AtomicFiles.writeText(folder.resolve(WORDS), String.join("\n", words) + "\n");
            return words.size();
          });
      Path list = out.resolve(WORDS);
      Map<String, Object> json = new LinkedHashMap<>();
      json.put("model", out.toString());
      json.put("vocabulary", list.toString());
      json.put("words", words.size());
      common.print(
          json, out + ": the demo CLIP, and the " + words.size() + " words of its captions");
      return 0;
    }
  }

  /** Images on disk. */
  @Command(
      name = "generate",
      description = {
        "Draws a set of images, with each one's factors and captions (factors.jsonl).",
        "portraits have CelebA's layout, birds Waterbirds', typographic label=…_text=… names;",
        "objects are a folder a kind; mixed is what the demo CLIP learnt from.",
        "The train split of portraits and birds leans as the web does, the others are balanced."
      },
      footer = {
        "",
        "Example: clipsteer world generate --set portraits --split test --count 4000 --out"
            + " portraits"
      })
  static final class Generate implements Callable<Integer> {
    private static final int MAX_COUNT = 999_999;

    @Mixin private CommonOptions common;

    @Option(
        names = "--set",
        required = true,
        paramLabel = "SET",
        description = "${COMPLETION-CANDIDATES}, in any case.")
    private WorldSet set;

    @Option(
        names = "--split",
        defaultValue = "test",
        paramLabel = "SPLIT",
        description = "${COMPLETION-CANDIDATES}, in any case (default: ${DEFAULT-VALUE}).")
    private WorldSet.Split split;

    @Option(
        names = "--count",
        defaultValue = "1000",
        paramLabel = "N",
        description = "How many images, up to " + MAX_COUNT + " (default: ${DEFAULT-VALUE}).")
    private int count;

    @Option(
        names = "--size",
        defaultValue = "64",
        paramLabel = "PIXELS",
        description =
            "Width and height, " + MIN_SIZE + " to " + MAX_SIZE + " (default: ${DEFAULT-VALUE}).")
    private int size;

    @Option(names = "--out", required = true, paramLabel = "DIR", description = "New folder.")
    private Path out;

    @Override
    public Integer call() {
      common.applyOnCpu();
      checkSize(size, MAX_SIZE);
      if (count < 1 || count > MAX_COUNT) {
        throw new InputException("--count " + count, "is out of range", "Use 1 to " + MAX_COUNT);
      }
      long start = System.nanoTime();
      RunManifest manifest = common.manifest(Map.of());
      set.write(out, split, count, common.seed(), size, common.progress());
      manifest.finish(Map.of()).writeTo(out);
      double seconds = (System.nanoTime() - start) * 1e-9;
      Map<String, Object> json = new LinkedHashMap<>();
      json.put("set", set.word());
      json.put("split", split.name().toLowerCase(Locale.ROOT));
      json.put("images", count);
      json.put("seconds", seconds);
      json.put("folder", out.toString());
      common.print(
          json,
          String.format(
              Locale.ROOT,
              "%s of %s (%s) in %s, %.1f s",
              Counted.of(count, "image"),
              set.word(),
              json.get("split"),
              out,
              seconds));
      return 0;
    }
  }

  /** A new CLIP. */
  @Command(
      name = "pretrain",
      description = {
        "Trains a CLIP from nothing on the world's endless stream.",
        "Stopped at any time, it continues with --resume from its last evaluation, and ends with"
            + " the same bytes as if it had not been stopped."
      },
      footer = {
        "",
        "Example: clipsteer world pretrain --config configs/demo-clip.yaml --out runs/demo-clip"
      })
  static final class Pretrain implements Callable<Integer> {
    @Mixin private CommonOptions common;
    @Spec private CommandSpec spec;

    @Option(
        names = "--config",
        required = true,
        paramLabel = "YAML",
        description = "Extents, biases and schedule; see configs/demo-clip.yaml.")
    private Path config;

    @Option(
        names = "--out",
        defaultValue = "runs/demo-clip",
        paramLabel = "DIR",
        description = "New folder (default: ${DEFAULT-VALUE}).")
    private Path out;

    @Option(names = "--resume", description = "Continue what was stopped in --out.")
    private boolean resume;

    @Override
    public Integer call() {
      common.applyOnCpu();
      List<String> command = spec.root().commandLine().getParseResult().originalArgs();
      PretrainConfig settings = PretrainConfig.read(config);
      if (spec.commandLine().getParseResult().hasMatchedOption("--seed")) {
        settings = settings.withSeed(common.seed());
      }
      var result = Pretraining.run(settings, out, resume, command, common.progress());
      Map<String, Object> json = new LinkedHashMap<>();
      json.put("model", result.model().toString());
      json.put("steps", result.steps());
      json.put("trained", result.trained());
      json.put("parameters", result.parameters());
      json.put("seconds", result.seconds());
      json.putAll(result.evaluation());
      common.print(
          json,
          String.format(
                  Locale.ROOT,
                  "%s: %s, %s%s, %.0f s%n",
                  result.model(),
                  Counted.of(result.parameters(), "parameter"),
                  Counted.of(result.steps(), "step"),
                  result.trained() == result.steps() ? "" : " (now: " + result.trained() + ")",
                  result.seconds())
              + table(result.evaluation()));
      return 0;
    }
  }

  /** What a CLIP makes of the world. */
  @Command(
      name = "evaluate",
      description = {
        "Zero-shot accuracies on the world's unbiased test images, with 95 %% Wilson intervals:",
        "what a CLIP knows, and how far it leans on hair colour, background and written words."
      },
      footer = {"", "Example: clipsteer world evaluate --json"})
  static final class Evaluate implements Callable<Integer> {
    @Mixin private CommonOptions common;

    @Option(
        names = "--model",
        paramLabel = "PATH",
        description = "A checkpoint's folder or file (default: the demo CLIP that is shipped).")
    private @Nullable Path model;

    @Option(
        names = "--count",
        defaultValue = "1000",
        paramLabel = "N",
        description = "Images of each set and group, up to 1000000 (default: ${DEFAULT-VALUE}).")
    private int count;

    @Override
    public Integer call() {
      common.applyOnCpu();
      if (count < 1 || count > 1_000_000) {
        throw new InputException("--count " + count, "is out of range", "Use 1 to 1000000");
      }
      long start = System.nanoTime();
      Map<String, Share> shares = evaluate();
      Map<String, Object> json = new LinkedHashMap<>(shares);
      json.put("seconds", (System.nanoTime() - start) * 1e-9);
      common.print(json, table(shares));
      return 0;
    }

    private Map<String, Share> evaluate() {
      if (model != null) return evaluate(model);
      try {
        Path folder = Files.createTempDirectory("clipsteer-demo-clip-");
        try {
          DemoClip.unpack(folder);
          return evaluate(folder);
        } finally {
          try (var files = Files.list(folder)) {
            for (Path file : files.toList()) Files.delete(file);
          }
          Files.delete(folder);
        }
      } catch (IOException e) {
        throw new InputException(
            "temporary folder", "cannot be used: " + Reasons.of(e), "Name a --model", e);
      }
    }

    private Map<String, Share> evaluate(Path checkpoint) {
      try (ClipModel clip = ClipModel.load(checkpoint)) {
        if (clip.text() == null) {
          throw new InputException(
              checkpoint, "has no text tower, which zero-shot needs", "Name a whole CLIP");
        }
        return Evaluation.run(clip, count, common.seed(), common.progress());
      }
    }
  }

  private static String table(Map<String, Share> shares) {
    StringBuilder text = new StringBuilder();
    shares.forEach(
        (key, share) ->
            text.append(
                String.format(
                    Locale.ROOT,
                    "%-26s %5.1f %%   [%.1f, %.1f]   n %d%n",
                    key,
                    100 * share.value(),
                    100 * share.low(),
                    100 * share.high(),
                    share.n())));
    return text.toString();
  }

  /** An image of images. */
  @Command(
      name = "sheet",
      description = "Many images of the world side by side, to be looked at.",
      footer = {"", "Example: clipsteer world sheet --out sheet.png"})
  static final class Sheet implements Callable<Integer> {
    @Mixin private CommonOptions common;

    @Option(names = "--out", required = true, paramLabel = "PNG", description = "A new .png file.")
    private Path out;

    @Option(
        names = "--size",
        defaultValue = "64",
        paramLabel = "PIXELS",
        description =
            "Width and height of each, "
                + MIN_SIZE
                + " to "
                + MAX_ON_SHEET
                + " (default: ${DEFAULT-VALUE}).")
    private int size;

    @Override
    public Integer call() {
      common.applyOnCpu();
      checkSize(size, MAX_ON_SHEET);
      if (!String.valueOf(out.getFileName()).toLowerCase(Locale.ROOT).endsWith(".png")) {
        throw new InputException("--out " + out, "is no PNG's name", "Let it end in .png");
      }
      if (Files.exists(out)) throw new InputException(out, "is there already", "Name another");
      int images = ContactSheet.write(out, common.seed(), size);
      Map<String, Object> json = new LinkedHashMap<>();
      json.put("image", out.toString());
      json.put("images", images);
      common.print(json, Counted.of(images, "image") + " side by side in " + out);
      return 0;
    }
  }
}
