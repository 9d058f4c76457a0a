// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.demo;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import io.clipsteer.data.json.JsonFile;
import io.clipsteer.world.Biases;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.TokenStreamLocation;
import tools.jackson.core.exc.InputCoercionException;
import tools.jackson.core.exc.StreamReadException;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.exc.MismatchedInputException;
import tools.jackson.databind.exc.UnrecognizedPropertyException;
import tools.jackson.databind.exc.ValueInstantiationException;
import tools.jackson.databind.node.ObjectNode;
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
 * @param batch images a step
 * @param captions of each image, every one with a contrastive loss of its own
 * @param stages one after the other
 * @param weightDecay of matrices
 * @param dtype of matrix products: bf16 or fp32
 * @param evaluateEvery steps between evaluations, which also save
 * @param evaluationCount images of each set in an evaluation
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
    int batch,
    int captions,
    List<Stage> stages,
    double weightDecay,
    String dtype,
    int evaluateEvery,
    int evaluationCount) {

  private static final long MAX_SIZE = 1 << 20;

  /**
   * A part of a pretraining, with its own schedule and stream.
   *
   * @param steps its updates
   * @param warmup updates until the full rate
   * @param learningRate the full rate; it falls to a hundredth along a cosine
   * @param biases correlations of the stream
   */
  public record Stage(int steps, int warmup, double learningRate, Biases biases) {
    /** The rate of an update: a straight rise, then half a cosine down to a hundredth. */
    double rate(int step) {
      if (step < warmup) return learningRate * (step + 1) / warmup;
      double along = (double) (step - warmup) / Math.max(1, steps - warmup);
      return learningRate * (0.01 + 0.99 * 0.5 * (1 + Math.cos(Math.PI * along)));
    }
  }

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
      if (!Files.exists(file)) throw new InputException(file, "is not there", "Check the path");
      if (!Files.isRegularFile(file) || Files.size(file) > MAX_SIZE) {
        throw new InputException(
            file,
            "is no file of settings" + (Files.isDirectory(file) ? ", but a folder" : ""),
            "Name one such as configs/demo-clip.yaml");
      }
      PretrainConfig config = mapper.readValue(Files.readAllBytes(file), PretrainConfig.class);
      if (config == null) throw new InputException(file, "is empty", "See configs/");
      config.check(file);
      return config;
    } catch (JacksonException e) {
      throw new InputException(file, reason(e), "Compare it with configs/demo-clip.yaml", e);
    } catch (IOException e) {
      throw new InputException(file, "cannot be read: " + Reasons.of(e), "Check the path", e);
    }
  }

  /**
   * What is wrong and in which line: the library's own words mean nothing to who wrote the file.
   */
  private static String reason(JacksonException e) {
    TokenStreamLocation at = e.getLocation();
    String line = at == null || at.getLineNr() < 1 ? "" : "line " + at.getLineNr() + ": ";
    String setting =
        e.getPath().stream()
            .map(JacksonException.Reference::getPropertyName)
            .filter(Objects::nonNull)
            .collect(Collectors.joining("."));
    return switch (e) {
      case InputCoercionException large -> line + "a number is too large";
      case StreamReadException twice when twice.getOriginalMessage().startsWith("Duplicate") ->
          line + "a setting is given twice";
      case StreamReadException unread -> line + "is no YAML that can be read";
      case UnrecognizedPropertyException unknown -> line + "there is no setting " + setting;
      case ValueInstantiationException refused -> line + setting + " must be shares from 0 to 1";
      case MismatchedInputException missing
          when missing.getOriginalMessage().startsWith("Missing") && !setting.isEmpty() ->
          setting + " is missing";
      case MismatchedInputException kind when !setting.isEmpty() ->
          line + setting + " is no " + kind(kind.getTargetType());
      default -> line + "these are no settings of a pretraining";
    };
  }

  private static String kind(@Nullable Class<?> type) {
    if (type == int.class || type == long.class) return "whole number";
    if (type == double.class) return "number";
    if (type == String.class) return "text";
    if (type == List.class) return "list";
    return "group of settings";
  }

  /** The same with another seed. */
  public PretrainConfig withSeed(long other) {
    ObjectNode settings = JsonFile.MAPPER.valueToTree(this);
    return JsonFile.MAPPER.treeToValue(settings.put("seed", other), PretrainConfig.class);
  }

  /** Of a batch of images: 2 GiB. */
  private static final int MOST_FLOATS = 1 << 29;

  private void check(Path file) {
    range(file, "imageSize", imageSize, 1, 1024);
    range(file, "patch", patch, 1, imageSize);
    divides(file, "patch", patch, "imageSize", imageSize);
    range(file, "visionWidth", visionWidth, 1, 4096);
    range(file, "visionHeads", visionHeads, 1, visionWidth);
    divides(file, "visionHeads", visionHeads, "visionWidth", visionWidth);
    range(file, "visionLayers", visionLayers, 1, 64);
    range(file, "textWidth", textWidth, 1, 4096);
    range(file, "textHeads", textHeads, 1, textWidth);
    divides(file, "textHeads", textHeads, "textWidth", textWidth);
    range(file, "textLayers", textLayers, 1, 64);
    range(file, "context", context, 4, 512);
    range(file, "embedDim", embedDim, 2, 4096);
    int most = MOST_FLOATS / (3 * imageSize * imageSize);
    range(file, "batch", batch, 2, Math.min(1 << 16, most));
    range(file, "captions", captions, 1, 16);
    range(file, "the number of stages", stages.size(), 1, 100);
    for (int i = 0; i < stages.size(); i++) {
      Stage stage = stages.get(i);
      String of = " of stage " + (i + 1);
      range(file, "steps" + of, stage.steps(), 1, 10_000_000);
      range(file, "warmup" + of, stage.warmup(), 0, stage.steps() - 1);
      share(file, "learningRate" + of, stage.learningRate());
    }
    if (weightDecay != 0) share(file, "weightDecay", weightDecay);
    range(file, "evaluateEvery", evaluateEvery, 1, 1_000_000_000);
    range(file, "evaluationCount", evaluationCount, 1, 100_000);
    if (!dtype.equals("bf16") && !dtype.equals("fp32")) {
      throw new InputException(file, "dtype is " + dtype, "Give bf16 or fp32");
    }
  }

  private static void range(Path file, String name, int value, int low, int high) {
    if (value < low || value > high) {
      throw new InputException(
          file, name + " is " + value, "Give a whole number from " + low + " to " + high);
    }
  }

  private static void share(Path file, String name, double value) {
    if (!(value > 0 && value < 1)) {
      throw new InputException(file, name + " is " + value, "Give a number above 0 and below 1");
    }
  }

  private static void divides(Path file, String part, int small, String whole, int large) {
    if (large % small != 0) {
      throw new InputException(
          file,
          part + " (" + small + ") does not divide " + whole + " (" + large + ")",
          "Change one of them");
    }
  }

  /** Updates in all. */
  public int steps() {
    return stages.stream().mapToInt(Stage::steps).sum();
  }

  /** The rate of an update, counted from 0 over all stages. */
  double rate(int step) {
    int before = 0;
    for (Stage stage : stages) {
      if (step < before + stage.steps()) return stage.rate(step - before);
      before += stage.steps();
    }
    throw new IllegalArgumentException("step " + step);
  }

  /** The biases of the stream at an update; after the last, as in the last. */
  Biases biases(int step) {
    int before = 0;
    for (Stage stage : stages) {
      before += stage.steps();
      if (step < before) return stage.biases();
    }
    return stages.getLast().biases();
  }
}
