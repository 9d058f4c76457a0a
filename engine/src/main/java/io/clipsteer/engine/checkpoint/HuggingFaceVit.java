// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.checkpoint;

import static io.clipsteer.engine.checkpoint.HuggingFaceReader.MAX_LAYERS;
import static io.clipsteer.engine.checkpoint.HuggingFaceReader.MAX_WIDTH;

import io.clipsteer.data.json.JsonObject;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.WeightSource.BlockNames;
import io.clipsteer.engine.checkpoint.WeightSource.BlockShape;
import io.clipsteer.engine.checkpoint.WeightSource.Rename;
import io.clipsteer.engine.model.Activation;
import io.clipsteer.engine.model.Pooling;
import io.clipsteer.engine.model.PositionResize;
import io.clipsteer.engine.model.VisionTower;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;

/** transformers' ViT, DeiT and DINOv2, with their heads or without. */
final class HuggingFaceVit {
  private static final List<String> QKV =
      List.of("attention.attention.query", "attention.attention.key", "attention.attention.value");

  private HuggingFaceVit() {}

  /** What the families have in common, once it is read. */
  private record Shape(
      int width, int layers, int heads, int image, int patch, double eps, Activation activation) {
    long patches() {
      return (long) (image / patch) * (image / patch);
    }
  }

  static Checkpoint.Parts vit(Path folder, JsonObject config, WeightSource weights, String type) {
    weights.rename(
        names(
            type,
            List.of(
                new Rename("^layers\\.", "encoder.layer."),
                new Rename("\\.mlp\\.fc1\\.", ".intermediate.dense."),
                new Rename("\\.mlp\\.fc2\\.", ".output.dense."))));
    Shape shape = shape(config, 16, 1e-12, false);
    int hidden = config.integer("intermediate_size", 3072, 1, 1 << 20);
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
    int d = shape.width;
    int prefix = distilled ? 2 : 1;
    String positions = "embeddings.position_embeddings";
    long[] rows = {1, shape.patches() + prefix, d};
    Tensor prefixTokens =
        weights.ready(
            () -> {
              List<Tensor> tokens = new ArrayList<>();
              tokens.add(weights.take("embeddings.cls_token", 1, 1, d));
              if (distilled) tokens.add(weights.take("embeddings.distillation_token", 1, 1, d));
              return Tensor.concat(tokens, 1)
                  .add(weights.take(positions, rows).narrow(1, 0, prefix))
                  .reshape(prefix, d);
            });
    VisionTower tower =
        tower(shape, weights, blocks, hidden, prefixTokens, rows, PositionResize.NONE);
    return new Checkpoint.Parts(
        "hf-" + type,
        tower,
        null,
        HuggingFaceReader.preprocessing(
            folder, distilled ? "DeiTImageProcessor" : "ViTImageProcessor"),
        Math.log(100),
        Pattern.compile(
            "((cls_|distillation_)?classifier|pooler\\.dense|decoder\\.0)\\.(weight|bias)"
                + "|embeddings\\.(mask_token|position_ids)"));
  }

  static Checkpoint.Parts dino(Path folder, JsonObject config, WeightSource weights, String type) {
    weights.rename(names(type, List.of(new Rename("\\.mlp\\.down_proj\\.", ".mlp.weights_out."))));
    boolean withRegisters = !type.equals("dinov2");
    int registers = withRegisters ? config.integer("num_register_tokens", 4, 1, 1 << 10) : 0;
    boolean swiglu = config.flag("use_swiglu_ffn", false);
    Shape shape = shape(config, withRegisters ? 16 : 14, 1e-6, swiglu);
    int d = shape.width;
    int ratio = config.integer("mlp_ratio", 4, 1, 64);
    // DINOv2's SwiGLU keeps the parameter count of a plain MLP, rounded up to eights.
    int hidden = swiglu ? ((int) (d * ratio * 2L / 3) + 7) / 8 * 8 : d * ratio;
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
    long[] rows = {1, shape.patches() + 1, d};
    Tensor prefixTokens =
        weights.ready(
            () -> {
              Tensor cls =
                  weights
                      .take("embeddings.cls_token", 1, 1, d)
                      .add(weights.take("embeddings.position_embeddings", rows).narrow(1, 0, 1));
              if (registers == 0) return cls.reshape(1, d);
              Tensor extra = weights.take("embeddings.register_tokens", 1, registers, d);
              return Tensor.concat(List.of(cls, extra), 1).reshape(1 + registers, d);
            });
    VisionTower tower =
        tower(
            shape,
            weights,
            blocks,
            hidden,
            prefixTokens,
            rows,
            withRegisters ? PositionResize.BICUBIC_ANTIALIASED : PositionResize.BICUBIC);
    return new Checkpoint.Parts(
        "hf-" + type.replace('_', '-'),
        tower,
        null,
        HuggingFaceReader.preprocessing(folder, "BitImageProcessor"),
        Math.log(100),
        Pattern.compile("classifier\\.(weight|bias)|embeddings\\.mask_token"));
  }

  /** The names of transformers 5 become those of its versions before, and of the hub's files. */
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

  private static Shape shape(JsonObject config, int patchSize, double epsilon, boolean gated) {
    HuggingFaceFields.refuseValues(config);
    HuggingFaceReader.checkChannels(config);
    int d = config.integer("hidden_size", 768, 1, MAX_WIDTH);
    int layers = config.integer("num_hidden_layers", 12, 1, MAX_LAYERS);
    int image = config.side("image_size", 224, 1 << 14);
    int patch = config.side("patch_size", patchSize, 1 << 10);
    HuggingFaceReader.grid(image, patch, config);
    Activation named = Activation.ofHuggingFace(config.text("hidden_act", "gelu"), config.where());
    return new Shape(
        d,
        layers,
        HuggingFaceReader.heads(config, d, 12),
        image,
        patch,
        HuggingFaceReader.epsilon(config, epsilon),
        gated ? Activation.SWIGLU : named);
  }

  /** Closes the configuration; {@code qkv_bias} and the tensors must say the same. */
  private static void close(
      JsonObject config, WeightSource weights, BlockNames blocks, Set<String> harmless) {
    boolean biased = config.flag("qkv_bias", true);
    String bias = blocks.prefix().formatted(0) + QKV.getFirst() + ".bias";
    if (biased) weights.shape(bias);
    config.refuse("qkv_bias", weights.has(bias) != biased, "the weights have biases");
    config.refuseUnread(harmless);
  }

  private static VisionTower tower(
      Shape shape,
      WeightSource weights,
      BlockNames blocks,
      int hidden,
      Tensor prefix,
      long[] rows,
      PositionResize resize) {
    int d = shape.width;
    long patches = shape.patches();
    return new VisionTower(
        new VisionTower.Config(
            d,
            shape.layers,
            shape.heads,
            shape.patch,
            shape.image,
            Math.toIntExact(prefix.size(0)),
            shape.activation,
            Pooling.CLS,
            d,
            resize),
        new VisionTower.Weights(
            HuggingFaceReader.patchProduct(
                weights, "embeddings.patch_embeddings.projection", d, shape.patch, true),
            prefix,
            weights.ready(
                () ->
                    weights
                        .take("embeddings.position_embeddings", rows)
                        .narrow(1, rows[1] - patches, patches)
                        .reshape(patches, d)),
            null,
            weights.blocks(
                blocks, shape.layers, new BlockShape(d, hidden, shape.activation, shape.eps)),
            weights.norm("layernorm", d, shape.eps),
            null));
  }
}
