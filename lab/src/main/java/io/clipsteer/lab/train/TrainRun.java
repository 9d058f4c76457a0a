// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.train;

import io.clipsteer.data.Progress;
import io.clipsteer.data.folder.RunManifest;
import io.clipsteer.data.folder.WorkFolder;
import io.clipsteer.data.json.JsonFile;
import io.clipsteer.engine.Engine;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.format.SaeFiles;
import io.clipsteer.lab.block.BlockStages;
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
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.type.TypeReference;

/**
 * A training and the {@link RunFolder} it writes. A training stopped at any instant and resumed
 * writes the same SAEs.
 *
 * @param command the command line, for the manifest
 * @param out absent or empty; with {@code resume} a stopped training's folder
 * @param checkpoints time between two states to resume from
 * @param mlflow takes settings and curve too, unless null; its owner closes it
 */
public record TrainRun(
    TrainSource source,
    TrainConfig config,
    List<String> command,
    Path out,
    boolean resume,
    Duration checkpoints,
    @Nullable MlflowTracker mlflow) {
  /** Trains and writes. */
  public Training.Finished run(Progress progress) {
    return run(folder -> run(folder, progress));
  }

  /**
   * Trains each SAE apart, wherever that is, and writes the run that {@link #run(Progress)} writes.
   * An SAE depends on no other.
   *
   * @param stages computes the SAEs' blocks, as a {@link TrainSweep} of this run does
   */
  public Training.Finished run(BlockStages stages) {
    return run(
        folder -> {
          stages.compute(TrainSweep.STAGE, config.saes().size());
          return new TrainSweep(this).join(folder);
        });
  }

  private Training.Finished run(Function<RunFolder, Training.Finished> training) {
    config.check(source.width());
    source.check(config);
    Map<String, String> hashes = new TreeMap<>(Map.of("model", source.modelHash()));
    if (!source.dataHash().isEmpty()) hashes.put("data", source.dataHash());
    RunManifest manifest =
        Versions.manifest(command, settings(), Map.of("train", config.seed()), hashes, null);
    try (WorkFolder folder = WorkFolder.open(out, RunFolder.LAYOUT, resume, manifest)) {
      Training.Finished result = training.apply(new RunFolder(out));
      folder.finish();
      if (mlflow != null) {
        for (Training.Trained one : result.saes()) mlflow.add(one, config.schedule().steps());
        mlflow.finish();
      }
      return result;
    }
  }

  private Training.Finished run(RunFolder folder, Progress progress) {
    Checkpoints keeper = new Checkpoints(folder, checkpoints);
    Training.State saved = keeper.saved();
    long start = saved == null ? 0 : saved.step();
    List<RunFolder.SaeEntry> entries = new ArrayList<>();
    if (mlflow != null) mlflow.add(settings());
    try (RunFolder.MetricsWriter metrics = folder.metrics(start);
        Feed feed = source.open(config, start, progress)) {
      Training.Finished result =
          Training.run(
              config,
              feed,
              keeper,
              progress,
              point -> {
                metrics.add(point);
                if (mlflow != null) mlflow.add(point);
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

  /** The manifest's {@code config}. */
  private Map<String, Object> settings() {
    Map<String, Object> settings = new LinkedHashMap<>(Map.of("model", source.model()));
    settings.putAll(source.settings());
    settings.putAll(
        JsonFile.MAPPER.convertValue(config, new TypeReference<Map<String, Object>>() {}));
    settings.put("threads", Engine.threads());
    return settings;
  }

  /** Metadata that SAELens keeps beside an SAE. */
  private Map<String, Object> metadata(SaeSpec spec, String variant, Reconstruction quality) {
    Map<String, Object> metadata = new LinkedHashMap<>();
    boolean placed = !source.model().startsWith(RunFolder.HASH);
    Path name = placed ? Path.of(source.model()).getFileName() : null;
    metadata.put("model_name", name == null ? "" : name.toString());
    metadata.put("model_sha256", source.modelHash());
    metadata.put("hook_name", spec.point().peerName());
    metadata.put("tokens_selection", config.tokens().name().toLowerCase(Locale.ROOT));
    metadata.put("variant", variant);
    metadata.put("training_tokens", config.schedule().trainTokens());
    metadata.put("seed", config.seed());
    metadata.put("trained_by", "clipsteer " + Versions.CLIPSTEER);
    metadata.put("l0", quality.l0());
    metadata.put("explained_variance", quality.explainedVariance());
    metadata.put("cosine", quality.cosine());
    return metadata;
  }
}
