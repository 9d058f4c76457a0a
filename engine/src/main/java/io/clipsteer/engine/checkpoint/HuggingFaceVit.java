// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.checkpoint;

import io.clipsteer.data.json.JsonObject;
import io.clipsteer.engine.checkpoint.WeightSource.Rename;
import io.clipsteer.engine.model.Activation;
import io.clipsteer.engine.model.PatchGrid;
import io.clipsteer.engine.model.Pooling;
import io.clipsteer.engine.model.PositionResize;
import io.clipsteer.engine.model.TowerShape;
import io.clipsteer.engine.model.VisionConfig;
import io.clipsteer.engine.model.VisionTower;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;

/** transformers' ViT, DeiT and DINOv2, with or without their heads. */
final class HuggingFaceVit {
  private static final List<String> QKV =
      List.of("attention.attention.query", "attention.attention.key", "attention.attention.value");

  private HuggingFaceVit() {}

  static Checkpoint.Contents vit(
      Path folder, JsonObject config, WeightSource weights, String type) {
    weights.rename(
        names(
            type,
            List.of(
                new Rename("^layers\\.", "encoder.layer."),
                new Rename("\\.mlp\\.fc1\\.", ".intermediate.dense."),
                new Rename("\\.mlp\\.fc2\\.", ".output.dense."))));
    check(config);
    int d = width(config);
    PatchGrid patches = HuggingFaceReader.patches(config, 16, PositionResize.NONE);
    int hidden = config.integer("intermediate_size", 3072, 1, 1 << 20);
    Activation activation = HuggingFaceReader.activation(config, "gelu");
    TowerShape shape = HuggingFaceReader.blocks(config, d, 12, hidden, activation, 1e-12);
    var blocks =
        new BlockNames(
            "encoder.layer.%d.",
            "layernorm_before",
            QKV,
            "attention.output.dense",
            "layernorm_after",
            "intermediate.dense",
            "output.dense",
            "none",
            "none");
    close(config, weights, blocks, HuggingFaceFields.VIT);
    boolean distilled = type.equals("deit");
    List<String> prefix = new ArrayList<>(List.of("embeddings.cls_token"));
    if (distilled) prefix.add("embeddings.distillation_token");
    int tokens = prefix.size();
    return new Checkpoint.Contents(
        "hf-" + type,
        tower(
            weights,
            prefix,
            blocks,
            new VisionConfig(shape, patches, tokens, Pooling.CLS, d),
            tokens),
        null,
        HuggingFaceReader.preprocessing(
            folder, distilled ? "DeiTImageProcessor" : "ViTImageProcessor"),
        Math.log(100),
        Pattern.compile(
            "((cls_|distillation_)?classifier|pooler\\.dense|decoder\\.0)\\.(weight|bias)"
                + "|embeddings\\.(mask_token|position_ids)"));
  }

  static Checkpoint.Contents dino(
      Path folder, JsonObject config, WeightSource weights, String type) {
    weights.rename(names(type, List.of(new Rename("\\.mlp\\.down_proj\\.", ".mlp.weights_out."))));
    boolean withRegisters = !type.equals("dinov2");
    int registers = withRegisters ? config.integer("num_register_tokens", 4, 1, 1 << 10) : 0;
    boolean swiglu = config.flag("use_swiglu_ffn", false);
    check(config);
    int d = width(config);
    PatchGrid patches =
        HuggingFaceReader.patches(
            config,
            withRegisters ? 16 : 14,
            withRegisters ? PositionResize.BICUBIC_ANTIALIASED : PositionResize.BICUBIC);
    int ratio = config.integer("mlp_ratio", 4, 1, 64);
    // DINOv2's SwiGLU keeps the parameter count of a plain MLP, rounded up to a multiple of eight.
    int hidden = swiglu ? ((int) (d * ratio * 2L / 3) + 7) / 8 * 8 : d * ratio;
    Activation named = HuggingFaceReader.activation(config, "gelu");
    TowerShape shape =
        HuggingFaceReader.blocks(config, d, 12, hidden, swiglu ? Activation.SWIGLU : named, 1e-6);
    boolean halves = weights.has("encoder.layer.0.mlp.gate_proj.weight");
    String gated = halves ? "mlp.gate_proj+mlp.up_proj" : "mlp.weights_in";
    var blocks =
        new BlockNames(
            "encoder.layer.%d.",
            "norm1",
            QKV,
            "attention.output.dense",
            "norm2",
            swiglu ? gated : "mlp.fc1",
            swiglu ? "mlp.weights_out" : "mlp.fc2",
            "layer_scale1.lambda1",
            "layer_scale2.lambda1");
    close(config, weights, blocks, HuggingFaceFields.DINO);
    weights.shape("encoder.layer.0.layer_scale1.lambda1"); // DINOv2 always has both
    weights.shape("encoder.layer.0.layer_scale2.lambda1");
    List<String> prefix = new ArrayList<>(List.of("embeddings.cls_token"));
    if (withRegisters) prefix.add("embeddings.register_tokens");
    return new Checkpoint.Contents(
        "hf-" + type.replace('_', '-'),
        tower(
            weights,
            prefix,
            blocks,
            new VisionConfig(shape, patches, 1 + registers, Pooling.CLS, d),
            1),
        null,
        HuggingFaceReader.preprocessing(folder, "BitImageProcessor"),
        Math.log(100),
        Pattern.compile("classifier\\.(weight|bias)|embeddings\\.mask_token"));
  }

  /** Maps the names of transformers 5 to those of earlier versions and of the hub's files. */
  private static List<Rename> names(String type, List<Rename> own) {
    List<Rename> all = new ArrayList<>();
    all.add(new Rename("^" + type + "\\.", ""));
    all.add(new Rename("\\.attention\\.q_proj\\.", ".attention.attention.query."));
    all.add(new Rename("\\.attention\\.k_proj\\.", ".attention.attention.key."));
    all.add(new Rename("\\.attention\\.v_proj\\.", ".attention.attention.value."));
    all.add(new Rename("\\.attention\\.o_proj\\.", ".attention.output.dense."));
    all.addAll(own);
    return all;
  }

  private static void check(JsonObject config) {
    HuggingFaceFields.refuseValues(config);
    HuggingFaceReader.checkChannels(config);
  }

  private static int width(JsonObject config) {
    return config.integer("hidden_size", 768, 1, HuggingFaceReader.MAX_WIDTH);
  }

  /** Closes the configuration; {@code qkv_bias} and the tensors must agree. */
  private static void close(
      JsonObject config, WeightSource weights, BlockNames blocks, Set<String> harmless) {
    boolean biased = config.flag("qkv_bias", true);
    String bias = blocks.prefix().formatted(0) + QKV.getFirst() + ".bias";
    if (biased) weights.shape(bias);
    config.refuse("qkv_bias", weights.has(bias) != biased, "the weights have biases");
    config.refuseUnread(harmless);
  }

  private static VisionTower tower(
      WeightSource weights,
      List<String> prefix,
      BlockNames blocks,
      VisionConfig config,
      int positioned) {
    return new VitNames(
            false,
            "embeddings.patch_embeddings.projection",
            true,
            prefix,
            "embeddings.position_embeddings",
            null,
            blocks,
            "layernorm")
        .assemble(weights, config, positioned, null);
  }
}
