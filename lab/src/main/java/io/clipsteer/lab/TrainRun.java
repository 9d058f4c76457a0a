// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab;

import io.clipsteer.data.Hashes;
import io.clipsteer.data.RunManifest;
import io.clipsteer.engine.Engine;
import io.clipsteer.engine.model.ClipModel;
import io.clipsteer.engine.sae.SaeFiles;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * A training and the folder it leaves: curve, SAE, manifest, and last {@code run.json}.
 *
 * @param command the command line, for the manifest
 * @param out absent or empty
 */
public record TrainRun(
    ClipModel model, Pictures pictures, Training.Config config, List<String> command, Path out) {

  /** Trains and writes. */
  public Training.Result run(Progress progress) {
    Training.check(model, config);
    RunFolder folder = RunFolder.create(out);
    try {
      return run(folder, progress);
    } catch (RuntimeException e) {
      folder.removeIfUnused();
      throw e;
    }
  }

  private Training.Result run(RunFolder folder, Progress progress) {
    RunManifest manifest =
        RunManifest.begin(
            command,
            settings(),
            Map.of("train", config.seed()),
            Map.of("model", Hashes.sha256(model.source().weights())),
            Versions.CLIPSTEER,
            Engine.torchVersion(),
            null);
    try (RunFolder.MetricsWriter metrics = folder.metrics()) {
      Training.Result result =
          Training.run(model, pictures, config, progress, point -> metrics.add(line(point)));
      String name =
          config.point().peerName() + "." + config.variant().spelling().replaceAll("[:=]", "-");
      String sae = "saes/" + name;
      SaeFiles.write(out.resolve(sae), result.sae(), metadata());
      manifest.finish().writeTo(out);
      var quality = result.quality();
      folder.write(
          new RunFolder.Run(
              model.source().path().toAbsolutePath().normalize().toString(),
              List.of(
                  new RunFolder.SaeEntry(
                      sae,
                      config.point().peerName(),
                      config.tokens().name().toLowerCase(Locale.ROOT),
                      config.variant().spelling(),
                      quality.explainedVariance(),
                      quality.l0(),
                      quality.aliveFraction()))));
      return result;
    }
  }

  private Map<String, Object> settings() {
    Map<String, Object> settings = new LinkedHashMap<>();
    settings.put("model", model.source().path().toString());
    settings.put("images", pictures.set().origin().toString());
    settings.put("preprocessing", pictures.preprocessing().toString());
    settings.put("hook_point", config.point().peerName());
    settings.put("tokens", config.tokens().name().toLowerCase(Locale.ROOT));
    settings.put("sae", config.variant().spelling());
    settings.put("normalise", config.normalisation().peerName());
    settings.put("encoder_product", config.encoderProduct().name());
    settings.put("expansion", config.expansion());
    settings.put("train_tokens", config.trainTokens());
    settings.put("batch", config.batch());
    settings.put("learning_rate", config.learningRate());
    settings.put("buffer_bytes", config.bufferBytes());
    settings.put("tower_dtype", model.vision().dtype().name());
    settings.put("threads", Engine.threads());
    return settings;
  }

  private static Map<String, Object> line(Training.Point point) {
    Map<String, Object> line = new LinkedHashMap<>();
    line.put("step", point.step());
    line.put("tokens", point.tokens());
    line.put("loss", point.loss());
    line.put("l0", point.l0());
    return line;
  }

  /** What SAELens keeps beside an SAE. */
  private Map<String, Object> metadata() {
    Map<String, Object> metadata = new LinkedHashMap<>();
    Path name = model.source().path().toAbsolutePath().normalize().getFileName();
    metadata.put("model_name", String.valueOf(name));
    metadata.put("hook_name", config.point().peerName());
    metadata.put("tokens_selection", config.tokens().name().toLowerCase(Locale.ROOT));
    metadata.put("training_tokens", config.trainTokens());
    metadata.put("seed", config.seed());
    metadata.put("trained_by", "clipsteer " + Versions.CLIPSTEER);
    return metadata;
  }
}
