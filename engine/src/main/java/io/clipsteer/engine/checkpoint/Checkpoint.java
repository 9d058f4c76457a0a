// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.checkpoint;

import io.clipsteer.data.InputException;
import io.clipsteer.data.json.JsonObject;
import io.clipsteer.data.preprocess.Preprocessing;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.data.tensor.TensorFile;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.TextTower;
import io.clipsteer.engine.model.VisionConfig;
import io.clipsteer.engine.model.VisionTower;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Function;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Finds out what a checkpoint is and has the reader of its family build the towers. */
final class Checkpoint {
  /** What a family's reader hands back. */
  record Contents(
      String family,
      VisionTower vision,
      @Nullable TextTower text,
      Preprocessing preprocessing,
      Scores scores,
      Pattern harmless,
      Tokenizer.Rules tokenizing) {
    /** Contents whose texts CLIP's tokenizer of Hugging Face splits. */
    Contents(
        String family,
        VisionTower vision,
        @Nullable TextTower text,
        Preprocessing preprocessing,
        double logScale,
        Pattern harmless) {
      this(
          family,
          vision,
          text,
          preprocessing,
          Scores.softmax(logScale),
          harmless,
          Tokenizer.Rules.HUGGING_FACE);
    }
  }

  /**
   * How cosines become logits.
   *
   * @param logScale logarithm of their factor
   * @param bias added to them in models trained with a sigmoid; null in others
   */
  record Scores(double logScale, @Nullable Double bias) {
    static Scores softmax(double logScale) {
      return new Scores(logScale, null);
    }
  }

  /** Where weights lie and who reads them. */
  private record Plan(Path weights, Function<WeightSource, Contents> reader) {}

  private static final List<String> OPEN_CLIP_WEIGHTS =
      List.of(
          "open_clip_model.safetensors",
          "open_clip_pytorch_model.safetensors",
          "open_clip_pytorch_model.bin");
  private static final List<String> HUGGING_FACE_WEIGHTS =
      List.of(
          "model.safetensors",
          "model.safetensors.index.json",
          "pytorch_model.bin",
          "pytorch_model.bin.index.json");

  private Checkpoint() {}

  static ClipModel load(Path path, DType dtype, Device device) {
    if (dtype != DType.F32 && dtype != DType.BF16) {
      throw new IllegalArgumentException("towers run in F32 or BF16, not " + dtype);
    }
    Plan plan = plan(path);
    TensorFile file = TensorFile.open(plan.weights());
    List<Tensor> made = List.of();
    try (Scope scope = Scope.open()) {
      WeightSource weights = new WeightSource(file, dtype, device);
      made = weights.made();
      Contents parts = plan.reader().apply(weights);
      List<String> ignored = weights.ignored(parts.harmless());
      check(path, parts);
      var source =
          new ClipModel.Origin(path, parts.family(), plan.weights(), weights.parameters(), ignored);
      Tokenizer tokenizer =
          parts.text() == null ? null : tokenizer(path, parts.text(), parts.tokenizing());
      return new ClipModel(
          source,
          parts.vision(),
          parts.text(),
          tokenizer,
          parts.preprocessing(),
          parts.scores(),
          new ClipModel.Weights(List.copyOf(made), file));
    } catch (RuntimeException e) {
      for (Tensor tensor : made) tensor.close();
      file.close();
      throw e;
    }
  }

  private static @Nullable Tokenizer tokenizer(Path path, TextTower text, Tokenizer.Rules rules) {
    Path folder = Files.isDirectory(path) ? path : path.toAbsolutePath().getParent();
    return folder == null ? null : Tokenizer.find(folder, text.config().context(), rules);
  }

  /** What each file says right, and the two contradict. */
  private static void check(Path path, Contents parts) {
    if (!Double.isFinite(Math.exp(parts.scores().logScale()))) {
      throw new InputException(
          path,
          "logit_scale is " + parts.scores().logScale() + ", too large a power of e",
          "Fetch it again");
    }
    VisionConfig tower = parts.vision().config();
    Preprocessing images = parts.preprocessing();
    boolean fits = images.width() == tower.imageSize() && images.height() == tower.imageSize();
    boolean exact =
        switch (tower.patches().resize()) {
          case NONE, ROTARY -> true;
          case BICUBIC, BICUBIC_ANTIALIASED -> false;
        };
    if (!fits && exact) {
      throw new InputException(
          path,
          "its image processor makes %d×%d pixels, and its tower takes %d×%d"
              .formatted(images.width(), images.height(), tower.imageSize(), tower.imageSize()),
          "Fetch the model's own image processor, or correct its sizes");
    }
  }

  private static Plan plan(Path path) {
    if (!Files.exists(path)) {
      throw new InputException(path, "does not exist", "Name a checkpoint's folder or file");
    }
    if (Files.isDirectory(path) && !Files.isExecutable(path) || !Files.isReadable(path)) {
      throw new InputException(path, "cannot be read: permission is denied", "Check its rights");
    }
    if (Files.isRegularFile(path)) return planFile(path);
    Path openClip = path.resolve("open_clip_config.json");
    Path config = path.resolve("config.json");
    Path openClipWeights = first(path, OPEN_CLIP_WEIGHTS);
    if (Files.isRegularFile(openClip) && openClipWeights != null) {
      return new Plan(openClipWeights, w -> OpenClipReader.read(JsonObject.read(openClip), w));
    }
    if (!Files.isRegularFile(config)) {
      throw new InputException(
          path,
          "no config.json and no open_clip_config.json with weights beside it",
          "Name the folder that holds a checkpoint as it was published");
    }
    Path weights = first(path, HUGGING_FACE_WEIGHTS);
    if (weights == null) {
      throw new InputException(
          path,
          "no weights: none of " + String.join(", ", HUGGING_FACE_WEIGHTS),
          "Fetch the whole checkpoint");
    }
    JsonObject fields = JsonObject.read(config);
    if (fields.has("architecture") && fields.has("pretrained_cfg")) {
      return new Plan(weights, w -> TimmReader.read(fields, w));
    }
    if (fields.has("architecture") && !fields.has("model_type")) {
      throw new InputException(
          config,
          "is timm's old form, without pretrained_cfg",
          "Save the model again with timm 0.9 or later");
    }
    return new Plan(weights, w -> HuggingFaceReader.read(path, fields, w));
  }

  /** A single file: an OpenAI archive, Meta's DINOv3, or one of the files of a folder. */
  private static Plan planFile(Path file) {
    Path folder = file.toAbsolutePath().getParent();
    String name = file.getFileName().toString();
    if (folder != null
        && (OPEN_CLIP_WEIGHTS.contains(name) || HUGGING_FACE_WEIGHTS.contains(name))) {
      return plan(folder);
    }
    return new Plan(
        file, w -> MetaDinoV3.fits(w) ? MetaDinoV3.read(file, w) : OpenClipReader.readOpenAi(w));
  }

  private static @Nullable Path first(Path folder, List<String> names) {
    for (String name : names) {
      if (Files.isRegularFile(folder.resolve(name))) return folder.resolve(name);
    }
    return null;
  }
}
