// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonUnwrapped;
import io.clipsteer.cli.option.BatchOptions;
import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.HelpOption;
import io.clipsteer.cli.option.MaskOptions;
import io.clipsteer.cli.option.ModelOption;
import io.clipsteer.cli.option.Skips;
import io.clipsteer.cli.show.Lines;
import io.clipsteer.data.Hashes;
import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.WorkFolder;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.VisionConfig;
import io.clipsteer.lab.probe.HeadInput;
import io.clipsteer.lab.probe.HeadScore;
import io.clipsteer.lab.probe.ImageInterval;
import io.clipsteer.lab.probe.LabelledFeatures;
import io.clipsteer.lab.probe.Probe;
import io.clipsteer.lab.probe.ProbeData;
import io.clipsteer.lab.probe.ProbeTraining;
import io.clipsteer.lab.run.Counted;
import io.clipsteer.lab.run.Images;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code probe train} and {@code probe evaluate}. */
@Command(
    name = "probe",
    description = "Train and evaluate linear heads on a frozen vision transformer.",
    footer = "Example: clipsteer probe train --model dinov2 --data folder:birds --out probes/birds",
    subcommands = {ProbeCommand.TrainProbe.class, ProbeCommand.EvaluateProbe.class})
final class ProbeCommand {
  static final String LAYOUTS =
      "folder:DIR (sub-folders are classes), csv:FILE (file, label), segmentation:DIR[:SPLIT]"
          + " (images, masks, classes.txt or .json) or ade20k:DIR:SPLIT.";

  /** Images of the report, where none are given. */
  private static final double TEST = 0.2;

  @Mixin private HelpOption help;

  /** What both print as JSON. */
  @JsonInclude(JsonInclude.Include.NON_NULL)
  private record Json(
      @Nullable String out,
      Probe.HeadTask task,
      int layer,
      HeadInput features,
      int width,
      @Nullable Integer trainingImages,
      @Nullable Double chosenL2,
      ProbeTraining.@Nullable TriedSettings chosen,
      @Nullable List<ProbeTraining.TriedSettings> validation,
      @JsonUnwrapped HeadScore score,
      int skipped,
      double seconds) {}

  private static String text(HeadScore score) {
    Lines text = new Lines();
    text.add("%s%n", Counted.of(score.images(), "test image"));
    line(text, "accuracy", score.accuracy());
    line(text, "among the first five", score.top5());
    line(text, "mean accuracy of classes", score.balanced());
    line(text, "mean intersection over union", score.miou());
    line(text, "pixel accuracy", score.pixelAccuracy());
    text.add("%n%-24s %10s %8s%n", "class", "n", score.miou() == null ? "accuracy" : "IoU");
    for (HeadScore.ClassScore one : score.classes()) {
      String value = one.value() == null ? "–" : Lines.of("%.1f %%", 100 * one.value());
      text.add("%-24s %10d %8s%n", one.name(), one.n(), value);
    }
    return text.toString();
  }

  private static void line(Lines text, String name, @Nullable ImageInterval value) {
    if (value == null) return;
    text.add(
        "%s %.1f %% (%.1f to %.1f)%n",
        name, 100 * value.value(), 100 * value.low(), 100 * value.high());
  }

  /** Labelled images as the head reads them. */
  static Images images(ClipModel model, ProbeData data, Probe.Reads reads, BatchOptions batch) {
    var own = model.preprocessing();
    var preprocessing = reads.squashed() ? own.squashed() : own;
    return new Images(data.images(), preprocessing, batch.loading(Long.MAX_VALUE));
  }

  /** Labelled images of a head's kind, with its classes. */
  static ProbeData data(String option, String text, List<Integer> ignored, Probe head) {
    ProbeData labelled = ProbeData.parse(option, text, ignored);
    if (labelled.task() == head.reads().task()) return labelled.as(head.classes());
    throw new InputException(
        option + " " + text,
        "the probe answers " + head.reads().task(),
        "Give images of that kind");
  }

  private static LabelledFeatures features(
      ClipModel model,
      ProbeData data,
      Probe.Reads reads,
      BatchOptions batch,
      CommonOptions common) {
    Skips.print(data.images().listing(), data.images().origin());
    Images images = images(model, data, reads, batch);
    var all = LabelledFeatures.of(model.vision(), data, images, reads, common.progress());
    Skips.print(all.features().skipped());
    return all;
  }

  /** {@code probe train}. */
  @Command(
      name = "train",
      description = {
        "Fit a linear head on the features of a frozen vision transformer: multinomial logistic"
            + " regression, its settings chosen on a fifth of the training images.",
        "The result is evaluated on images that the fit has not seen: --test, or a fifth of"
            + " --data."
      },
      footer = {
        "Example: clipsteer probe train --model models/clip --data folder:birds --out probes/birds",
        "         clipsteer probe train --model dinov2 --data segmentation:camvid:train --test"
            + " segmentation:camvid:validation --ignore 11 --out probes/roads"
      })
  static final class TrainProbe implements Runnable {
    @Mixin private CommonOptions common;
    @Mixin private BatchOptions batch;
    @Mixin private MaskOptions masks;

    @Mixin private ModelOption model;

    @Option(
        names = "--data",
        required = true,
        paramLabel = "LAYOUT:PATH",
        description = "Training images: " + LAYOUTS)
    private String data;

    @Option(
        names = "--test",
        paramLabel = "LAYOUT:PATH",
        description = "Images of the report (default: a fifth of --data, by --seed).")
    private @Nullable String test;

    @Option(
        names = "--layer",
        paramLabel = "L",
        defaultValue = "-1",
        description = "Layer whose residual is read, after the final norm; -1 is the last.")
    private int layer;

    @Option(
        names = "--features",
        paramLabel = "WHICH",
        description = {
          "What the head reads: ${COMPLETION-CANDIDATES} (default: patches for masks, else cls,"
              + " or mean where there is no class token)."
        })
    private @Nullable HeadInput input;

    @Option(
        names = "--squash",
        description =
            "Resize images to the shape of the model's input: nothing is cropped, ratios change.")
    private boolean squash;

    @Option(
        names = "--optimizer",
        defaultValue = "lbfgs",
        paramLabel = "WHICH",
        description = {
          "What fits the head: ${COMPLETION-CANDIDATES}. adamw takes the best of 30 (patches: 18)"
              + " pairs of learning rate and weight decay, and its best epoch."
        })
    private ProbeTraining.Optimizer optimizer;

    @Option(names = "--balanced", description = "Give all classes the same weight in the fit.")
    private boolean balanced;

    @Option(names = "--out", required = true, paramLabel = "PROBE", description = "New folder.")
    private Path out;

    @Override
    public void run() {
      common.apply();
      long start = System.nanoTime();
      WorkFolder.check(out, WorkFolder.ALONE, false);
      ProbeData training = ProbeData.parse("--data", data, masks.ignored());
      ProbeData tested = test == null ? null : tested(test, training);
      try (ClipModel clip = ClipModel.load(model.path(), DType.F32, common.device())) {
        String hash = Hashes.sha256(clip.source().weights());
        Probe.Reads reads = reads(clip, training.task(), hash);
        try (WorkFolder work =
            WorkFolder.open(out, WorkFolder.ALONE, false, common.manifest(Map.of("model", hash)))) {
          LabelledFeatures all = features(clip, training, reads, batch, common);
          List<LabelledFeatures> parts =
              tested == null
                  ? all.split(TEST, common.seed())
                  : List.of(features(clip, tested, reads, batch, common), all);
          LabelledFeatures own = parts.get(1);
          ProbeTraining.Fitted fitted =
              new ProbeTraining(optimizer, balanced, common.seed())
                  .fit(own, training.classes(), reads, common.progress());
          fitted.probe().write(out);
          HeadScore score = HeadScore.of(fitted.probe(), parts.get(0), common.seed());
          work.finish();
          common.print(
              new Json(
                  out.toString(),
                  reads.task(),
                  reads.layer(),
                  reads.input(),
                  fitted.probe().width(),
                  own.features().images(),
                  fitted.l2(),
                  fitted.chosen(),
                  fitted.validation(),
                  score,
                  all.features().skipped().size(),
                  (System.nanoTime() - start) * 1e-9),
              Lines.of(
                      "%s: %s head on %s of layer %d, fitted on %s, %s%n",
                      out,
                      reads.task(),
                      reads.input(),
                      reads.layer(),
                      Counted.of(own.features().images(), "image"),
                      fitted.settings())
                  + text(score));
        }
      }
    }

    private ProbeData tested(String text, ProbeData training) {
      ProbeData tested = ProbeData.parse("--test", text, masks.ignored());
      if (tested.task() == training.task()) return tested.as(training.classes());
      throw new InputException("--test " + text, "has other labels than --data", "Use one kind");
    }

    private Probe.Reads reads(ClipModel clip, Probe.HeadTask task, String hash) {
      VisionConfig config = clip.vision().config();
      if (layer < -1 || layer >= config.layers()) {
        throw new InputException(
            "--layer " + layer,
            "the model has layers 0 to " + (config.layers() - 1),
            "Name one of them, or omit it for the last");
      }
      boolean pixels = task == Probe.HeadTask.SEGMENTATION;
      HeadInput reads = input;
      if (reads == null) {
        reads =
            pixels ? HeadInput.PATCHES : config.prefixTokens() > 0 ? HeadInput.CLS : HeadInput.MEAN;
      }
      if (pixels != (reads == HeadInput.PATCHES)) {
        throw new InputException(
            "--features " + reads,
            pixels ? "masks need a row for each patch" : "images have one label each",
            pixels ? "Use patches" : "Use cls, mean or embedding");
      }
      return new Probe.Reads(
          task,
          clip.source().path().toAbsolutePath().normalize().toString(),
          hash,
          layer < 0 ? config.layers() - 1 : layer,
          reads,
          squash);
    }
  }

  /** {@code probe evaluate}. */
  @Command(
      name = "evaluate",
      description = "Evaluate a linear head on labelled images.",
      footer = "Example: clipsteer probe evaluate --probe probes/birds --data folder:more-birds")
  static final class EvaluateProbe implements Runnable {
    @Mixin private CommonOptions common;
    @Mixin private BatchOptions batch;
    @Mixin private MaskOptions masks;

    @Option(
        names = "--probe",
        required = true,
        paramLabel = "PROBE",
        description = "The --out of clipsteer probe train.")
    private Path probe;

    @Option(
        names = "--model",
        paramLabel = "PATH",
        description = "Checkpoint, if it has moved (default: the probe's).")
    private @Nullable Path model;

    @Option(
        names = "--data",
        required = true,
        paramLabel = "LAYOUT:PATH",
        description = "Labelled images: " + LAYOUTS)
    private String data;

    @Override
    public void run() {
      common.apply();
      long start = System.nanoTime();
      Probe head = Probe.read(probe);
      Probe.Reads reads = head.reads();
      ProbeData labelled = data("--data", data, masks.ignored(), head);
      Path path = model != null ? model : Path.of(reads.model());
      if (!Files.exists(path)) {
        throw new InputException(
            path, "the model of " + probe + " is not there", "Say with --model where it is");
      }
      try (ClipModel clip = ClipModel.load(path, DType.F32, common.device())) {
        head.check(clip, probe);
        LabelledFeatures all = features(clip, labelled, reads, batch, common);
        HeadScore score = HeadScore.of(head, all, common.seed());
        common.print(
            new Json(
                null,
                reads.task(),
                reads.layer(),
                reads.input(),
                head.width(),
                null,
                null,
                null,
                null,
                score,
                all.features().skipped().size(),
                (System.nanoTime() - start) * 1e-9),
            text(score));
      }
    }
  }
}
