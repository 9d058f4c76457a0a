// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.FolderOptions;
import io.clipsteer.cli.option.HelpOption;
import io.clipsteer.cli.show.Lines;
import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.folder.Folders;
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
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The demo world: its images, and the CLIP trained on them. */
@Command(
    name = "world",
    description = "The demo world: generated images with known labels, and a CLIP trained on them.",
    footer = "Example: clipsteer world generate --set birds --split test --out birds",
    subcommands = {
      WorldCommand.Model.class,
      WorldCommand.Generate.class,
      WorldCommand.Pretrain.class
    })
final class WorldCommand {
  private static final int MIN_SIZE = 16;
  private static final int MAX_SIZE = 2048;

  /** A sheet of 208 such images is 222 MB of pixels. */
  private static final int MAX_ON_SHEET = 512;

  /** Enough for every word that captions have. */
  private static final int CAPTIONS = 20_000;

  @Mixin private HelpOption help;

  /** The demo CLIP. */
  @Command(
      name = "model",
      description = {
        "Write the demo CLIP, which comes with the program, as a checkpoint folder.",
        "words.txt in it lists the words of the captions that the CLIP was trained on."
      },
      footer = "Example: clipsteer world model --out models/demo-clip")
  static final class Model implements Runnable {
    private static final String WORDS = "words.txt";

    @Mixin private CommonOptions common;

    @Option(names = "--out", required = true, paramLabel = "DIR", description = "New folder.")
    private Path out;

    @Override
    public void run() {
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
      common.print(
          new Json(out.toString(), list.toString(), words.size()),
          out + ": the demo CLIP, and the " + words.size() + " words of its captions");
    }

    private record Json(String model, String vocabulary, int words) {}
  }

  /** Images on disk. */
  @Command(
      name = "generate",
      description = {
        "Generate a set of images, with their factors and captions in factors.jsonl.",
        "portraits have CelebA's layout, birds Waterbirds', typographic images label=…_text=…"
            + " names; objects have class folders; mixed is the distribution the demo CLIP was"
            + " trained on.",
        "The train split of portraits and birds is biased as the web is, the others are balanced."
      },
      footer =
          "Example: clipsteer world generate --set portraits --split test --count 4000 --out"
              + " portraits")
  static final class Generate implements Runnable {
    private static final int MAX_COUNT = 999_999;

    @Mixin private CommonOptions common;

    @Option(
        names = "--set",
        required = true,
        paramLabel = "SET",
        description = "Set: ${COMPLETION-CANDIDATES}.")
    private WorldSet set;

    @Option(
        names = "--split",
        defaultValue = "test",
        paramLabel = "SPLIT",
        description = "Split: ${COMPLETION-CANDIDATES}.")
    private WorldSet.Split split;

    @Option(
        names = "--count",
        defaultValue = "1000",
        description = "Images to generate, up to " + MAX_COUNT + ".")
    private int count;

    @Option(
        names = "--size",
        defaultValue = "64",
        paramLabel = "PIXELS",
        description = "Width and height, " + MIN_SIZE + " to " + MAX_SIZE + ".")
    private int size;

    @Option(
        names = "--masks",
        description = {
          "Also write the label of each pixel: the set goes to DIR/images, its masks to DIR/masks,"
              + " for probes on segmentation:DIR."
        })
    private boolean masked;

    @Option(names = "--out", required = true, paramLabel = "DIR", description = "New folder.")
    private Path out;

    @Override
    public void run() {
      common.applyOnCpu();
      CommonOptions.within("--size", size, MIN_SIZE, MAX_SIZE);
      CommonOptions.within("--count", count, 1, MAX_COUNT);
      long start = System.nanoTime();
      RunManifest manifest = common.manifest(Map.of());
      set.write(out, split, count, common.seed(), size, masked, common.progress());
      manifest.finish(Map.of()).writeTo(out);
      double seconds = (System.nanoTime() - start) * 1e-9;
      common.print(
          new Json(set, split, count, seconds, out.toString()),
          Lines.of(
              "%s of %s (%s) in %s, %.1f s", Counted.of(count, "image"), set, split, out, seconds));
    }

    private record Json(
        WorldSet set, WorldSet.Split split, int images, double seconds, String folder) {}
  }

  /** {@code world pretrain}. */
  @Command(
      name = "pretrain",
      description = {
        "Train a CLIP from scratch on generated images and captions.",
        "A stopped training resumes from its last evaluation."
      },
      footer =
          "Example: clipsteer world pretrain --config configs/demo-clip.yaml --out runs/demo-clip")
  static final class Pretrain implements Runnable {
    @Mixin private CommonOptions common;
    @Mixin private FolderOptions folder;
    @Spec private CommandSpec spec;

    @Option(
        names = "--config",
        required = true,
        paramLabel = "YAML",
        description = "Sizes, biases and schedule, as in configs/demo-clip.yaml.")
    private Path config;

    @Override
    public void run() {
      common.applyOnCpu();
      PretrainConfig settings = PretrainConfig.read(config);
      if (spec.commandLine().getParseResult().hasMatchedOption("--seed")) {
        settings = settings.withSeed(common.seed());
      }
      var result =
          Pretraining.run(
              settings, folder.out(), folder.resume(), common.commandLine(), common.progress());
      Map<String, Object> json = new LinkedHashMap<>();
      json.put("model", result.model().toString());
      json.put("steps", result.steps());
      json.put("trained", result.trained());
      json.put("parameters", result.parameters());
      json.put("seconds", result.seconds());
      json.putAll(result.evaluation());
      common.print(
          json,
          Lines.of(
                  "%s: %s, %s%s, %.0f s%n",
                  result.model(),
                  Counted.of(result.parameters(), "parameter"),
                  Counted.of(result.steps(), "step"),
                  result.trained() == result.steps()
                      ? ""
                      : " (" + result.trained() + " of them now)",
                  result.seconds())
              + table(result.evaluation()));
    }
  }

  /** {@code world evaluate}. */
  @Command(
      name = "evaluate",
      description = {
        "Evaluate a CLIP's zero-shot accuracy on the world's balanced test images.",
        "With 95 %% Wilson intervals: accuracy by attribute, and how far the CLIP relies on hair"
            + " colour, background and written words."
      },
      footer = "Example: clipsteer world evaluate --json")
  void evaluate(
      @Mixin CommonOptions common,
      @Option(
              names = "--model",
              paramLabel = "PATH",
              description = "Checkpoint: a folder or a file (default: the demo CLIP).")
          @Nullable Path model,
      @Option(
              names = "--count",
              defaultValue = "1000",
              description = "Images per set and group, up to 1000000.")
          int count) {
    common.applyOnCpu();
    CommonOptions.within("--count", count, 1, 1_000_000);
    long start = System.nanoTime();
    Map<String, Share> shares =
        model == null ? ofDemoClip(common, count) : shares(common, model, count);
    Map<String, Object> json = new LinkedHashMap<>(shares);
    json.put("seconds", (System.nanoTime() - start) * 1e-9);
    common.print(json, table(shares));
  }

  private static Map<String, Share> ofDemoClip(CommonOptions common, int count) {
    try {
      Path folder = Files.createTempDirectory("clipsteer-demo-clip-");
      try {
        DemoClip.unpack(folder);
        return shares(common, folder, count);
      } finally {
        Folders.delete(folder);
      }
    } catch (IOException e) {
      throw new InputException(
          "temporary folder", "cannot be used: " + Reasons.of(e), "Name a --model", e);
    }
  }

  private static Map<String, Share> shares(CommonOptions common, Path checkpoint, int count) {
    try (ClipModel clip = ClipModel.load(checkpoint)) {
      if (clip.text() == null) {
        throw new InputException(
            checkpoint, "has no text tower, which zero-shot needs", "Name a CLIP with both towers");
      }
      return Evaluation.run(clip, count, common.seed(), common.progress());
    }
  }

  private static String table(Map<String, Share> shares) {
    Lines text = new Lines();
    shares.forEach(
        (key, share) ->
            text.add(
                "%-26s %5.1f %%   [%.1f, %.1f]   n %d%n",
                key, 100 * share.value(), 100 * share.low(), 100 * share.high(), share.n()));
    return text.toString();
  }

  /** {@code world sheet}. */
  @Command(
      name = "sheet",
      description = "Write a contact sheet of generated images.",
      footer = "Example: clipsteer world sheet --out sheet.png")
  void sheet(
      @Mixin CommonOptions common,
      @Option(
              names = "--out",
              required = true,
              paramLabel = "PNG",
              description = "A new .png file.")
          Path out,
      @Option(
              names = "--size",
              defaultValue = "64",
              paramLabel = "PIXELS",
              description = "Width and height of each, " + MIN_SIZE + " to " + MAX_ON_SHEET + ".")
          int size) {
    common.applyOnCpu();
    CommonOptions.within("--size", size, MIN_SIZE, MAX_ON_SHEET);
    if (!String.valueOf(out.getFileName()).toLowerCase(Locale.ROOT).endsWith(".png")) {
      throw new InputException("--out " + out, "is no PNG file", "Name a .png file");
    }
    if (Files.exists(out)) throw new InputException(out, "is there already", "Name another");
    int images = ContactSheet.write(out, common.seed(), size);
    common.print(
        new SheetJson(out.toString(), images),
        Counted.of(images, "image") + " side by side in " + out);
  }

  private record SheetJson(String image, int images) {}
}
