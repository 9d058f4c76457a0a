// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.pretrain;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The sizes of a CLIP with QuickGELU and MLPs four times as wide as the residual stream.
 *
 * @param imageSize pixels on a side, a multiple of {@code patch}
 * @param patch pixels on a patch's side
 * @param visionWidth d of the vision tower
 * @param textWidth d of the text tower
 * @param context longest text in tokens
 * @param vocabulary number of token ids; the last one is the end token, the one before it the start
 * @param embedDim e of the joint embedding
 */
public record ClipShape(
    int imageSize,
    int patch,
    int visionWidth,
    int visionLayers,
    int visionHeads,
    int textWidth,
    int textLayers,
    int textHeads,
    int context,
    int vocabulary,
    int embedDim) {

  /** Throws IllegalArgumentException for sizes that do not fit each other. */
  public ClipShape {
    if (imageSize % patch != 0) throw new IllegalArgumentException("patches do not fill the image");
    if (visionWidth % visionHeads != 0 || textWidth % textHeads != 0) {
      throw new IllegalArgumentException("heads do not divide the width");
    }
  }

  /** Patches on an image. */
  public int patches() {
    return (imageSize / patch) * (imageSize / patch);
  }

  /** Floating-point operations of an image and its text, forward and backward. */
  public double flopsPerPair(int textTokens) {
    return 3
        * (flops(visionWidth, visionLayers, patches() + 1.0)
            + flops(textWidth, textLayers, textTokens));
  }

  private static double flops(double d, int layers, double t) {
    return layers * (24 * t * d * d + 4 * t * t * d);
  }

  /** The {@code config.json} of Hugging Face's CLIP. */
  Map<String, Object> toHuggingFace() {
    Map<String, Object> vision = tower(visionWidth, visionLayers, visionHeads);
    vision.put("model_type", "clip_vision_model");
    vision.put("image_size", imageSize);
    vision.put("patch_size", patch);
    Map<String, Object> text = tower(textWidth, textLayers, textHeads);
    text.put("model_type", "clip_text_model");
    text.put("max_position_embeddings", context);
    text.put("vocab_size", vocabulary);
    text.put("bos_token_id", vocabulary - 2);
    text.put("eos_token_id", vocabulary - 1);
    text.put("pad_token_id", vocabulary - 1);
    Map<String, Object> config = new LinkedHashMap<>();
    config.put("architectures", List.of("CLIPModel"));
    config.put("model_type", "clip");
    config.put("projection_dim", embedDim);
    config.put("torch_dtype", "float16");
    config.put("vision_config", vision);
    config.put("text_config", text);
    return config;
  }

  private Map<String, Object> tower(int width, int layers, int heads) {
    Map<String, Object> tower = new LinkedHashMap<>();
    tower.put("hidden_size", width);
    tower.put("intermediate_size", 4 * width);
    tower.put("num_hidden_layers", layers);
    tower.put("num_attention_heads", heads);
    tower.put("hidden_act", "quick_gelu");
    tower.put("layer_norm_eps", TowerParameters.EPS);
    tower.put("projection_dim", embedDim);
    return tower;
  }

  /** The {@code preprocessor_config.json} of Hugging Face's CLIP: resize, crop, CLIP's colours. */
  Map<String, Object> preprocessor() {
    Map<String, Object> square = new LinkedHashMap<>();
    square.put("height", imageSize);
    square.put("width", imageSize);
    Map<String, Object> settings = new LinkedHashMap<>();
    settings.put("image_processor_type", "CLIPImageProcessor");
    settings.put("do_resize", true);
    settings.put("size", Map.of("shortest_edge", imageSize));
    settings.put("resample", 3);
    settings.put("do_center_crop", true);
    settings.put("crop_size", square);
    settings.put("do_convert_rgb", true);
    settings.put("do_rescale", true);
    settings.put("rescale_factor", 1 / 255.0);
    settings.put("do_normalize", true);
    settings.put("image_mean", List.of(0.48145466, 0.4578275, 0.40821073));
    settings.put("image_std", List.of(0.26862954, 0.26130258, 0.27577711));
    return settings;
  }
}
