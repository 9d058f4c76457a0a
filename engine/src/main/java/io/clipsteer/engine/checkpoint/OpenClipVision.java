// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.checkpoint;

import io.clipsteer.data.json.JsonObject;
import io.clipsteer.engine.checkpoint.WeightSource.BlockShape;
import io.clipsteer.engine.model.Pooling;
import io.clipsteer.engine.model.PositionResize;
import io.clipsteer.engine.model.VisionTower;
import tools.jackson.databind.JsonNode;

/** open_clip's own vision transformer, which is OpenAI's as well. */
final class OpenClipVision {
  private static final int HEAD = 64;

  private OpenClipVision() {}

  /** Reads {@code vision_cfg}; fields left out have the defaults of open_clip's CLIPVisionCfg. */
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
    return build(
        weights,
        new VisionTower.Config(
            d,
            layers,
            d / head,
            patch,
            image,
            1,
            OpenClipFields.activation(config, quick),
            pooling,
            embed,
            PositionResize.NONE),
        hidden,
        OpenClipFields.eps(config),
        !config.flag("no_ln_pre", false));
  }

  /**
   * The tower of a shape.
   *
   * @param hidden width inside the MLPs
   * @param preNorm whether a norm stands before the blocks
   */
  static VisionTower build(
      WeightSource weights, VisionTower.Config config, int hidden, double eps, boolean preNorm) {
    int d = config.width();
    long patches = (long) config.grid() * config.grid();
    String positions = "visual.positional_embedding";
    BlockShape shape = new BlockShape(d, hidden, config.activation(), eps);
    return new VisionTower(
        config,
        new VisionTower.Weights(
            HuggingFaceReader.patchProduct(weights, "visual.conv1", d, config.patch(), false),
            weights.ready(
                () ->
                    weights
                        .take("visual.class_embedding", d)
                        .reshape(1, d)
                        .add(weights.take(positions, patches + 1, d).narrow(0, 0, 1))),
            weights.ready(() -> weights.take(positions, patches + 1, d).narrow(0, 1, patches)),
            preNorm ? weights.norm("visual.ln_pre", d, eps) : null,
            weights.blocks(
                OpenClipReader.blockNames("visual.transformer."), config.layers(), shape),
            weights.norm("visual.ln_post", d, eps),
            weights.projection("visual.proj", d, config.embedDim())));
  }
}
