// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.checkpoint;

import io.clipsteer.data.InputException;
import io.clipsteer.data.json.JsonObject;
import io.clipsteer.data.preprocess.Preprocessing;
import io.clipsteer.engine.model.Activation;
import io.clipsteer.engine.model.PatchGrid;
import io.clipsteer.engine.model.PositionResize;
import io.clipsteer.engine.model.TowerShape;
import java.nio.file.Path;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Hugging Face folders: CLIP, CLIP's vision side alone, SigLIP, ViT and DeiT, DINOv2 with and
 * without registers, DINOv3. Absent fields have the defaults of transformers 5.24; a field that is
 * neither read nor known to be harmless ({@link HuggingFaceFields}) is refused.
 */
final class HuggingFaceReader {
  static final int MAX_WIDTH = 1 << 16;
  static final int MAX_LAYERS = 1000;

  /** Vision models in such folders that are not supported, with the reason. */
  private static final Map<String, String> OTHERS =
      Map.ofEntries(
          Map.entry("siglip2", "its grid follows each image (NaFlex)"),
          Map.entry("siglip2_vision_model", "its grid follows each image (NaFlex)"),
          Map.entry("dinov3_convnext", "it is a convolutional network"),
          Map.entry("beit", "its attention has relative positions"),
          Map.entry("data2vec-vision", "its attention has relative positions"),
          Map.entry("eva02", "its positions are rotary and its MLP is gated"),
          Map.entry("vit_mae", "it drops patches at random"),
          Map.entry("vit_msn", "only ViT, DeiT and DINOv2 are known of its kind"),
          Map.entry("ijepa", "it has no class token"),
          Map.entry("vit_hybrid", "its patches come from a convolutional network"),
          Map.entry("swin", "its attention is windowed"),
          Map.entry("swinv2", "its attention is windowed"),
          Map.entry("convnext", "it is a convolutional network"),
          Map.entry("convnextv2", "it is a convolutional network"),
          Map.entry("resnet", "it is a convolutional network"),
          Map.entry("siglip_text_model", "it has no image side"),
          Map.entry("aimv2", "its norms have no mean (RMSNorm)"),
          Map.entry("aimv2_vision_model", "its norms have no mean (RMSNorm)"),
          Map.entry("clip_text_model", "it has no image side"),
          Map.entry("clipseg", "it has a decoder"),
          Map.entry("chinese_clip", "its text side is a BERT"),
          Map.entry("altclip", "its text side is a RoBERTa"),
          Map.entry("align", "its image side is a convolutional network"),
          Map.entry("blip", "its image and text sides are other architectures"),
          Map.entry("blip-2", "its image and text sides are other architectures"),
          Map.entry("xclip", "it reads videos"),
          Map.entry("vision-text-dual-encoder", "its sides may be any architecture"),
          Map.entry("timm_wrapper", "name the timm folder it wraps"));

  private HuggingFaceReader() {}

  static Checkpoint.Contents read(Path folder, JsonObject config, WeightSource weights) {
    String type = config.text("model_type", "");
    return switch (type) {
      case "clip", "metaclip_2" -> HuggingFaceClip.clip(folder, config, weights, type);
      case "clip_vision_model", "metaclip_2_vision_model" ->
          HuggingFaceClip.vision(
              folder, config, weights, type.substring(0, type.length() - "_vision_model".length()));
      case "siglip" -> HuggingFaceSiglip.siglip(folder, config, weights);
      case "siglip_vision_model" -> HuggingFaceSiglip.vision(folder, config, weights);
      case "dinov3_vit" -> HuggingFaceDinoV3.read(folder, config, weights);
      case "vit", "deit" -> HuggingFaceVit.vit(folder, config, weights, type);
      case "dinov2", "dinov2_with_registers" -> HuggingFaceVit.dino(folder, config, weights, type);
      default -> {
        String why = OTHERS.getOrDefault(type, "it is not known");
        throw new InputException(
            config.where(),
            type.isEmpty()
                ? "it has no model_type"
                : "model_type \"" + type + "\" is not supported: " + why,
            "Supported are clip, clip_vision_model, metaclip_2, metaclip_2_vision_model, siglip,"
                + " siglip_vision_model, vit, deit, dinov2, dinov2_with_registers, dinov3_vit");
      }
    };
  }

  /** A side's configuration must be of the kind that the model has. */
  static void checkKind(JsonObject config, String kind) {
    HuggingFaceFields.refuseValues(config);
    String type = config.text("model_type", kind);
    config.refuse("model_type", !type.equals(kind), "a side of another model");
  }

  /** The number of colour channels, which must be 3. */
  static void checkChannels(JsonObject config) {
    int channels = config.integer("num_channels", 3, 1, 1 << 10);
    config.refuse("num_channels", channels != 3, "images have three");
  }

  /**
   * The blocks' shape.
   *
   * @param heads default of {@code num_attention_heads}
   * @param eps default of {@code layer_norm_eps}
   */
  static TowerShape blocks(
      JsonObject config, int width, int heads, int hidden, Activation activation, double eps) {
    int layers = config.integer("num_hidden_layers", 12, 1, MAX_LAYERS);
    int own = config.integer("num_attention_heads", heads, 1, 1 << 12);
    config.refuse("num_attention_heads", width % own != 0, width + " is no multiple of it");
    double epsilon = config.number("layer_norm_eps", eps, Double.MIN_VALUE, 1);
    return new TowerShape(width, layers, own, hidden, activation, epsilon);
  }

  /** {@code hidden_act}. */
  static Activation activation(JsonObject config, String fallback) {
    return Activation.ofHuggingFace(config.text("hidden_act", fallback), config.where());
  }

  /** {@code image_size} and {@code patch_size}. */
  static PatchGrid patches(JsonObject config, int fallback, PositionResize resize) {
    int image = config.side("image_size", 224, 1 << 14);
    int patch = config.side("patch_size", fallback, 1 << 10);
    config.refuse("patch_size", patch > image, "larger than the image");
    return new PatchGrid(patch, image, resize);
  }

  /**
   * The folder's own preprocessing. Without it the library refuses the folder, and so does this.
   *
   * @param processor the family's image processor, for files that name none
   */
  static Preprocessing preprocessing(Path folder, String processor) {
    @Nullable Preprocessing own = Preprocessing.ofHuggingFaceFolder(folder, processor);
    if (own != null) return own;
    throw new InputException(
        folder,
        "has no image processor: no preprocessor_config.json, and no processor_config.json with an"
            + " image_processor",
        "Fetch it from where the checkpoint came from");
  }
}
