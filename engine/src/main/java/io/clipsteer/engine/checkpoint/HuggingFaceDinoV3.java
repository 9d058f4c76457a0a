// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.checkpoint;

import io.clipsteer.data.json.JsonObject;
import io.clipsteer.data.preprocess.Preprocessing;
import io.clipsteer.engine.checkpoint.WeightSource.Rename;
import io.clipsteer.engine.model.Activation;
import io.clipsteer.engine.model.PatchGrid;
import io.clipsteer.engine.model.Pooling;
import io.clipsteer.engine.model.PositionResize;
import io.clipsteer.engine.model.Rotary;
import io.clipsteer.engine.model.TowerShape;
import io.clipsteer.engine.model.VisionConfig;
import io.clipsteer.engine.model.VisionTower;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Pattern;

/** transformers' DINOv3: rotary positions, registers, LayerScale, plain or gated MLP. */
final class HuggingFaceDinoV3 {
  private static final String LAYER = "layer.%d.";
  private static final String REGISTERS = "embeddings.register_tokens";

  private HuggingFaceDinoV3() {}

  static Checkpoint.Contents read(Path folder, JsonObject config, WeightSource weights) {
    // transformers 5 has model.layer in memory; files keep the older name.
    weights.rename(List.of(new Rename("^(model\\.)?(?=layer\\.)", "")));
    HuggingFaceFields.refuseValues(config);
    HuggingFaceReader.checkChannels(config);
    int d = config.integer("hidden_size", 384, 1, HuggingFaceReader.MAX_WIDTH);
    int hidden = config.integer("intermediate_size", 1536, 1, 1 << 20);
    Preprocessing images = HuggingFaceReader.preprocessing(folder, "DINOv3ViTImageProcessor");
    int patch = HuggingFaceReader.patches(config, 16, PositionResize.ROTARY).patch();
    // Positions are computed for any size: the tower is that of the images.
    if (patch > images.width()) {
      throw config.bad("patches of " + patch + " in " + images.width(), "Correct patch_size");
    }
    var patches = new PatchGrid(patch, images.width(), PositionResize.ROTARY);
    int registers = config.integer("num_register_tokens", 0, 0, 1 << 10);
    boolean gated = config.flag("use_gated_mlp", false);
    double theta = config.number("rope_theta", 100, 1e-3, 1e9);
    for (String name : List.of("proj_bias", "mlp_bias")) {
      config.refuse(name, !config.flag(name, true), "products without bias");
    }
    TowerShape plain =
        HuggingFaceReader.blocks(config, d, 6, hidden, activation(config, gated), 1e-5);
    var shape =
        new TowerShape(
            d,
            plain.layers(),
            plain.heads(),
            hidden,
            plain.activation(),
            plain.eps(),
            new Rotary.Centred(theta));
    boolean quarters = d / shape.heads() % 4 == 0;
    config.refuse("num_attention_heads", !quarters, "heads of no multiple of 4 cannot be turned");
    checkBiases(config, weights, shape.layers());
    config.refuseUnread(HuggingFaceFields.DINO_V3);
    boolean stored =
        weights.has(REGISTERS)
            && Arrays.stream(weights.shape(REGISTERS)).allMatch(extent -> extent > 0);
    config.refuse("num_register_tokens", stored != registers > 0, "the weights have others");
    List<String> prefix = new ArrayList<>(List.of("embeddings.cls_token"));
    if (registers > 0) prefix.add(REGISTERS);
    VisionTower tower =
        new VitNames(
                false,
                "embeddings.patch_embeddings",
                true,
                prefix,
                null,
                null,
                blocks(gated),
                "norm")
            .assemble(
                weights, new VisionConfig(shape, patches, 1 + registers, Pooling.CLS, d), 0, null);
    return new Checkpoint.Contents(
        "hf-dinov3",
        tower,
        null,
        images,
        Math.log(100),
        // Without registers the library stores an empty tensor of them.
        Pattern.compile(
            "embeddings\\.mask_token" + (registers > 0 ? "" : "|embeddings\\.register_tokens")));
  }

  private static Activation activation(JsonObject config, boolean gated) {
    String name = config.text("hidden_act", "gelu");
    if (!gated) return Activation.ofHuggingFace(name, config.where());
    config.refuse(
        "hidden_act",
        !name.equals("silu") && !name.equals("swish"),
        "a gated MLP is known with silu alone");
    return Activation.SWIGLU;
  }

  /** Which of query, key and value have biases must be as the configuration says. */
  private static void checkBiases(JsonObject config, WeightSource weights, int layers) {
    for (String part : List.of("query", "key", "value")) {
      boolean biased = config.flag(part + "_bias", !part.equals("key"));
      for (int layer = 0; layer < layers; layer++) {
        TimmShape.requirePresence(
            weights,
            LAYER.formatted(layer) + "attention." + part.charAt(0) + "_proj.bias",
            biased,
            part + "_bias is " + biased);
      }
    }
  }

  private static BlockNames blocks(boolean gated) {
    return new BlockNames(
        LAYER,
        "norm1",
        List.of("attention.q_proj", "attention.k_proj", "attention.v_proj"),
        "attention.o_proj",
        "norm2",
        gated ? "mlp.gate_proj+mlp.up_proj" : "mlp.up_proj",
        "mlp.down_proj",
        "layer_scale1.lambda1",
        "layer_scale2.lambda1");
  }
}
