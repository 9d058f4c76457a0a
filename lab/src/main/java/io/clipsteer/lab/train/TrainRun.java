// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.train;

import io.clipsteer.data.Progress;
import io.clipsteer.data.folder.RunManifest;
import io.clipsteer.data.folder.WorkFolder;
import io.clipsteer.engine.Engine;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.format.SaeFiles;
import io.clipsteer.lab.run.Reconstruction;
import io.clipsteer.lab.run.RunFolder;
import io.clipsteer.lab.run.Versions;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * A training and the {@link RunFolder} it leaves. Stopped at any instant and resumed, it leaves the
 * same SAEs.
 *
 * @param command the command line, for the manifest
 * @param out absent or empty; with {@code resume} a stopped training's folder
 * @param checkpoints time between two states to resume from
 * @param mlflow takes settings and curve as well, unless null; its owner closes it
 */
public record TrainRun(
    TrainSource source,
    Training.Config config,
    List<String> command,
    Path out,
    boolean resume,
    Duration checkpoints,
    @Nullable MlflowTracker mlflow) {
  private static final Duration EVERY = Duration.ofMinutes(5);

  /** A fresh run. */
  public TrainRun(TrainSource source, Training.Config config, List<String> command, Path out) {
    this(source, config, command, out, false, EVERY, null);
  }

  /** Trains and writes. */
  public Training.Result run(Progress progress) {
    Training.check(config, source.width());
    source.check(config);
    Map<String, String> hashes = new TreeMap<>(Map.of("model", source.modelHash()));
    if (!source.dataHash().isEmpty()) hashes.put("data", source.dataHash());
    RunManifest manifest =
        Versions.manifest(command, settings(), Map.of("train", config.seed()), hashes, null);
    try (WorkFolder folder = WorkFolder.open(out, RunFolder.LAYOUT, resume, manifest)) {
      Training.Result result = run(new RunFolder(out), progress);
      folder.finish();
      if (mlflow != null) {
        for (Training.Trained one : result.saes()) mlflow.add(one, config.steps());
        mlflow.finish();
      }
      return result;
    }
  }

  private Training.Result run(RunFolder folder, Progress progress) {
    Checkpoints keeper = new Checkpoints(folder, checkpoints);
    Training.State begun = keeper.begun();
    long start = begun == null ? 0 : begun.step();
    List<RunFolder.SaeEntry> entries = new ArrayList<>();
    if (mlflow != null) mlflow.add(settings());
    try (RunFolder.MetricsWriter metrics = folder.metrics(start);
        Feed feed = source.open(config, start, progress)) {
      Training.Result result =
          Training.run(
              config,
              feed,
              keeper,
              progress,
              point -> {
                metrics.add(line(point));
                if (mlflow != null) mlflow.add(point, config.saes().get(point.sae()).name());
              },
              (trained, sae) -> entries.add(write(trained, sae)));
      Pareto.write(folder, result.saes());
      folder.write(new RunFolder.Run(source.model(), entries));
      return result;
    }
  }

  private RunFolder.SaeEntry write(Training.Trained trained, Sae sae) {
    SaeSpec spec = trained.spec();
    String folder = RunFolder.saeFolder(spec.name());
    String variant = spec.variant().scaled(trained.factor()).spelling();
    Reconstruction quality = trained.quality();
    SaeFiles.write(out.resolve(folder), sae, metadata(spec, variant, quality));
    return new RunFolder.SaeEntry(
        folder,
        spec.point().peerName(),
        config.tokens().name().toLowerCase(Locale.ROOT),
        variant,
        quality.explainedVariance(),
        quality.l0(),
        quality.aliveFraction());
  }

  private Map<String, Object> settings() {
    Map<String, Object> settings = new LinkedHashMap<>();
    settings.put("model", source.model());
    settings.putAll(source.settings());
    settings.put("saes", config.saes().stream().map(SaeSpec::name).toList());
    settings.put("tokens", config.tokens().name().toLowerCase(Locale.ROOT));
    settings.put("normalise", config.normalisation().name().toLowerCase(Locale.ROOT));
    settings.put("encoder_product", config.encoderProduct().name());
    settings.put("expansion", config.expansion());
    settings.put("train_tokens", config.trainTokens());
    settings.put("batch", config.batch());
    settings.put("learning_rate", config.schedule().rate());
    settings.put("schedule", config.schedule().shape().name().toLowerCase(Locale.ROOT));
    settings.put("warm_up", config.schedule().warmUp());
    settings.put("sparsity_warm_up", config.schedule().sparsityWarmUp());
    settings.put("clip", config.clip());
    settings.put("dead_tokens", config.deadTokens());
    settings.put("resample_steps", config.resampleSteps());
    settings.put("centre", config.centre().name().toLowerCase(Locale.ROOT));
    settings.put("seed", config.seed());
    settings.put("buffer_bytes", config.bufferBytes());
    settings.put("start", config.start() == null ? "" : config.start().toString());
    settings.put("threads", Engine.threads());
    return settings;
  }

  private Map<String, Object> line(Training.Point point) {
    Map<String, Object> line = new LinkedHashMap<>();
    line.put("step", point.step());
    line.put("tokens", point.tokens());
    line.put("sae", config.saes().get(point.sae()).name());
    line.put("loss", point.loss());
    line.put("l0", point.l0());
    if (config.saes().get(point.sae()).targetL0() > 0) line.put("penalty", point.factor());
    return line;
  }

  /** What SAELens keeps beside an SAE. */
  private Map<String, Object> metadata(SaeSpec spec, String variant, Reconstruction quality) {
    Map<String, Object> metadata = new LinkedHashMap<>();
    boolean placed = !source.model().startsWith(RunFolder.HASH);
    Path name = placed ? Path.of(source.model()).getFileName() : null;
    metadata.put("model_name", name == null ? "" : name.toString());
    metadata.put("model_sha256", source.modelHash());
    metadata.put("hook_name", spec.point().peerName());
    metadata.put("tokens_selection", config.tokens().name().toLowerCase(Locale.ROOT));
    metadata.put("variant", variant);
    metadata.put("training_tokens", config.trainTokens());
    metadata.put("seed", config.seed());
    metadata.put("trained_by", "clipsteer " + Versions.CLIPSTEER);
    metadata.put("l0", quality.l0());
    metadata.put("explained_variance", quality.explainedVariance());
    metadata.put("cosine", quality.cosine());
    return metadata;
  }
}
