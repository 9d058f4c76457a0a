// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.checkpoint;

import io.clipsteer.data.json.JsonObject;
import io.clipsteer.engine.model.PatchGrid;
import io.clipsteer.engine.model.Pooling;
import io.clipsteer.engine.model.TowerShape;
import io.clipsteer.engine.model.VisionConfig;
import io.clipsteer.engine.model.VisionTower;
import java.util.List;
import tools.jackson.databind.JsonNode;

/** open_clip's own vision transformer, which is OpenAI's as well. */
final class OpenClipVision {
  private static final int HEAD = 64;

  private OpenClipVision() {}

  /** Reads {@code vision_cfg}; absent fields have the defaults of open_clip's CLIPVisionCfg. */
  static VisionTower read(JsonObject config, WeightSource weights, int embed, boolean quick) {
    OpenClipFields.refuseBlocks(config);
    JsonNode stages = config.get("layers");
    config.refuse("layers", stages != null && stages.isArray(), "a ResNet");
    JsonNode attentional = config.get("attentional_pool");
    boolean pools = attentional != null && !(attentional.isBoolean() && !attentional.asBoolean());
    config.refuse("attentional_pool", pools, "attentional pool");
    String positions = config.text("pos_embed_type", "learnable");
    boolean stored = positions.equals("learnable") || positions.equals("sin_cos_2d");
    config.refuse("pos_embed_type", !stored, "known are learnable and sin_cos_2d");
    String pool = config.text("pool_type", "tok");
    config.refuse("pool_type", !pool.equals("tok") && !pool.equals("avg"), "known are tok and avg");
    boolean after = config.flag("final_ln_after_pool", false);
    int d = config.integer("width", 768, 1, OpenClipReader.MAX_WIDTH);
    int layers = config.integer("layers", 12, 1, 1000);
    int head = config.integer("head_width", HEAD, 1, OpenClipReader.MAX_WIDTH);
    config.refuse("head_width", d % head != 0, "the width " + d + " is no multiple of it");
    int patch = config.side("patch_size", 16, 1 << 10);
    int image = config.side("image_size", 224, 1 << 14);
    config.refuse("patch_size", patch > image, "larger than the image");
    int hidden = (int) (d * config.number("mlp_ratio", 4, 0.1, 64));
    OpenClipFields.layerScale(config, weights, "visual.transformer.", layers);
    Pooling pooling = Pooling.CLS;
    if (pool.equals("avg")) {
      pooling = after ? Pooling.NORM_OF_MEAN_PATCH : Pooling.MEAN_OF_NORMED_PATCHES;
    }
    var activation = OpenClipFields.activation(config, quick);
    var blocks =
        new TowerShape(d, layers, d / head, hidden, activation, OpenClipFields.eps(config));
    return build(
        weights,
        new VisionConfig(blocks, new PatchGrid(patch, image), 1, pooling, embed),
        !config.flag("no_ln_pre", false));
  }

  /**
   * The tower of a shape.
   *
   * @param preNorm whether a norm precedes the blocks
   */
  static VisionTower build(WeightSource weights, VisionConfig config, boolean preNorm) {
    return new VitNames(
            true,
            "visual.conv1",
            List.of("visual.class_embedding"),
            "visual.positional_embedding",
            preNorm ? "visual.ln_pre" : null,
            OpenClipReader.blockNames("visual.transformer."),
            "visual.ln_post")
        .assemble(
            weights,
            config,
            1,
            weights.projection("visual.proj", config.width(), config.embedDim()));
  }
}
