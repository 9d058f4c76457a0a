// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.world;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.dataformat.yaml.YAMLMapper;

/**
 * A pretraining, as its YAML file says it.
 *
 * @param seed of weights and stream
 * @param imageSize pixels on a side
 * @param patch pixels on a patch's side
 * @param visionWidth d of the vision tower
 * @param textWidth d of the text tower
 * @param context longest caption in tokens
 * @param embedDim e of the joint embedding
 * @param biases how the stream leans
 * @param batch pictures a step
 * @param captions of each picture, every one with a contrastive loss of its own
 * @param steps updates in all
 * @param warmup updates until the full rate
 * @param learningRate the full rate; it falls to a hundredth along a cosine
 * @param weightDecay of matrices
 * @param dtype of matrix products: bf16 or fp32
 * @param evaluateEvery steps between evaluations, which also save
 * @param evaluationCount pictures of each set in an evaluation
 */
public record PretrainConfig(
    long seed,
    int imageSize,
    int patch,
    int visionWidth,
    int visionLayers,
    int visionHeads,
    int textWidth,
    int textLayers,
    int textHeads,
    int context,
    int embedDim,
    Biases biases,
    int batch,
    int captions,
    int steps,
    int warmup,
    double learningRate,
    double weightDecay,
    String dtype,
    int evaluateEvery,
    int evaluationCount) {

  private static final long MAX_SIZE = 1 << 20;

  /** Reads a configuration. */
  public static PretrainConfig read(Path file) {
    YAMLMapper mapper =
        YAMLMapper.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .disable(DeserializationFeature.ACCEPT_FLOAT_AS_INT)
            .enable(DeserializationFeature.FAIL_ON_MISSING_CREATOR_PROPERTIES)
            .enable(DeserializationFeature.FAIL_ON_NULL_CREATOR_PROPERTIES)
            .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
            .enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
            .build();
    try {
      if (!Files.isRegularFile(file) || Files.size(file) > MAX_SIZE) {
        throw new InputException(
            file, "is no file of settings", "Name one such as configs/demo-clip.yaml");
      }
      PretrainConfig config = mapper.readValue(Files.readAllBytes(file), PretrainConfig.class);
      if (config == null) throw new InputException(file, "is empty", "See configs/");
      config.check(file);
      return config;
    } catch (JacksonException e) {
      throw new InputException(
          file,
          "is no pretraining: " + plain(e.getOriginalMessage()),
          "Compare it with configs/demo-clip.yaml",
          e);
    } catch (IOException e) {
      throw new InputException(file, "cannot be read: " + Reasons.of(e), "Check the path", e);
    }
  }

  /** The library's own settings mean nothing to who wrote the file. */
  private static String plain(String message) {
    return message
        .lines()
        .findFirst()
        .orElse("")
        .replaceAll("; '[A-Za-z]+Feature\\.[A-Z_]+' enabled| \\(set [A-Za-z.]+[^)]*\\)", "")
        .replace("creator property", "setting");
  }

  /** The same with another seed. */
  public PretrainConfig withSeed(long other) {
    return new PretrainConfig(
        other,
        imageSize,
        patch,
        visionWidth,
        visionLayers,
        visionHeads,
        textWidth,
        textLayers,
        textHeads,
        context,
        embedDim,
        biases,
        batch,
        captions,
        steps,
        warmup,
        learningRate,
        weightDecay,
        dtype,
        evaluateEvery,
        evaluationCount);
  }

  private void check(Path file) {
    need(file, patch >= 1 && imageSize >= patch && imageSize <= 1024, "imageSize or patch");
    need(file, imageSize % Math.max(1, patch) == 0, "patch, which must divide imageSize,");
    need(file, visionHeads >= 1 && visionWidth >= 1 && visionWidth <= 4096, "visionWidth");
    need(file, visionWidth % Math.max(1, visionHeads) == 0, "visionHeads");
    need(file, textHeads >= 1 && textWidth >= 1 && textWidth <= 4096, "textWidth");
    need(file, textWidth % Math.max(1, textHeads) == 0, "textHeads");
    need(file, visionLayers >= 1 && visionLayers <= 64, "visionLayers");
    need(file, textLayers >= 1 && textLayers <= 64, "textLayers");
    need(file, context >= 4 && context <= 512, "context");
    need(file, embedDim >= 2 && embedDim <= 4096, "embedDim");
    need(file, batch >= 2 && batch <= 1 << 16, "batch");
    need(file, captions >= 1 && captions <= 16, "captions");
    need(file, steps >= 1, "steps");
    need(file, warmup >= 0 && warmup < steps, "warmup");
    need(file, learningRate > 0 && learningRate < 1, "learningRate");
    need(file, weightDecay >= 0 && weightDecay < 1, "weightDecay");
    need(file, dtype.equals("bf16") || dtype.equals("fp32"), "dtype");
    need(
        file,
        evaluateEvery >= 1 && evaluationCount >= 1 && evaluationCount <= 100_000,
        "evaluateEvery or evaluationCount");
  }

  private static void need(Path file, boolean holds, String what) {
    if (!holds) {
      throw new InputException(file, what + " is out of range", "See configs/demo-clip.yaml");
    }
  }

  /** The rate of an update: a straight rise, then half a cosine down to a hundredth. */
  double rate(int step) {
    if (step < warmup) return learningRate * (step + 1) / warmup;
    double along = (double) (step - warmup) / Math.max(1, steps - warmup);
    return learningRate * (0.01 + 0.99 * 0.5 * (1 + Math.cos(Math.PI * along)));
  }
}
