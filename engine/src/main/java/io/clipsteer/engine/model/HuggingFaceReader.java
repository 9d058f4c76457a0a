// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

import io.clipsteer.data.InputException;
import io.clipsteer.data.image.Preprocessing;
import io.clipsteer.data.json.JsonObject;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.Block.Linear;
import io.clipsteer.engine.model.TextTower.EndRule;
import io.clipsteer.engine.model.WeightSource.BlockNames;
import io.clipsteer.engine.model.WeightSource.BlockShape;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

/**
 * Hugging Face folders: CLIP, CLIP's vision side alone, ViT and DeiT, DINOv2 with and without
 * registers. Fields that a configuration leaves out have the library's defaults.
 */
final class HuggingFaceReader {
  private static final int MAX_WIDTH = 1 << 16;
  private static final int MAX_LAYERS = 1000;
  private static final int LEGACY_EOS = 2;

  private static final BlockNames CLIP_BLOCK =
      new BlockNames(
          "",
          "layer_norm1",
          List.of("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
          "self_attn.out_proj",
          "layer_norm2",
          "mlp.fc1",
          "mlp.fc2",
          "none",
          "none");
  private static final List<String> VIT_QKV =
      List.of("attention.attention.query", "attention.attention.key", "attention.attention.value");

  private HuggingFaceReader() {}

  static Checkpoint.Parts read(Path folder, JsonObject config, WeightSource weights) {
    String type = config.text("model_type", "");
    return switch (type) {
      case "clip" -> clip(folder, config, weights);
      case "clip_vision_model" -> clipVision(folder, config, weights);
      case "vit", "deit" -> vit(folder, config, weights, type);
      case "dinov2", "dinov2_with_registers" -> dino(folder, config, weights, type);
      default ->
          throw new InputException(
              config.where(),
              "model_type \"" + type + "\" is not known",
              "Known are clip, clip_vision_model, vit, deit, dinov2, dinov2_with_registers");
    };
  }

  // ---- CLIP -----------------------------------------------------------------------------------

  private static Checkpoint.Parts clip(Path folder, JsonObject config, WeightSource weights) {
    JsonObject visionConfig = config.object("vision_config");
    JsonObject textConfig = config.object("text_config");
    int embed = config.integer("projection_dim", 512, 1, MAX_WIDTH);
    weights.shape("visual_projection.weight"); // the text side has one, so this side must
    VisionTower vision = clipTower(visionConfig, weights, embed);
    TextTower text = clipText(textConfig, weights, embed);
    double logScale = weights.scalar("logit_scale");
    return new Checkpoint.Parts(
        "hf-clip",
        vision,
        text,
        preprocessing(folder, vision.config().imageSize()),
        logScale,
        Pattern.compile("(vision|text)_model\\.embeddings\\.position_ids"));
  }

  private static Checkpoint.Parts clipVision(Path folder, JsonObject config, WeightSource weights) {
    int embed = config.integer("projection_dim", 512, 1, MAX_WIDTH);
    VisionTower vision = clipTower(config, weights, embed);
    return new Checkpoint.Parts(
        "hf-clip-vision",
        vision,
        null,
        preprocessing(folder, vision.config().imageSize()),
        Math.log(100),
        Pattern.compile("vision_model\\.embeddings\\.position_ids"));
  }

  private static VisionTower clipTower(JsonObject config, WeightSource weights, int embed) {
    int d = config.integer("hidden_size", 768, 1, MAX_WIDTH);
    int layers = config.integer("num_hidden_layers", 12, 1, MAX_LAYERS);
    int hidden = config.integer("intermediate_size", 3072, 1, 1 << 20);
    int heads = heads(config, d, 12);
    int image = config.side("image_size", 224, 1 << 14);
    int patch = config.side("patch_size", 32, 1 << 10);
    double eps = config.number("layer_norm_eps", 1e-5, 0, 1);
    Activation activation =
        Activation.ofHuggingFace(config.text("hidden_act", "quick_gelu"), config.where());
    String p = "vision_model.";
    String positions = p + "embeddings.position_embedding.weight";
    int grid = grid(image, patch, config);
    long[] rows = {grid * (long) grid + 1, d};
    Linear projection =
        weights.has("visual_projection.weight")
            ? weights.linear("visual_projection", embed, d)
            : null;
    var shape =
        new VisionTower.Config(
            d,
            layers,
            heads,
            patch,
            image,
            1,
            activation,
            Pooling.CLS,
            projection == null ? d : embed,
            PositionResize.NONE);
    return new VisionTower(
        shape,
        new VisionTower.Weights(
            patchProduct(weights, p + "embeddings.patch_embedding", d, patch, false),
            weights.ready(
                () ->
                    weights
                        .take(p + "embeddings.class_embedding", d)
                        .reshape(1, d)
                        .add(weights.take(positions, rows).narrow(0, 0, 1))),
            weights.ready(() -> weights.take(positions, rows).narrow(0, 1, rows[0] - 1)),
            weights.norm(p + "pre_layrnorm", d, eps),
            weights.blocks(
                prefixed(CLIP_BLOCK, p + "encoder.layers.%d."),
                layers,
                new BlockShape(d, hidden, activation, eps)),
            weights.norm(p + "post_layernorm", d, eps),
            projection));
  }

  private static TextTower clipText(JsonObject config, WeightSource weights, int embed) {
    int d = config.integer("hidden_size", 512, 1, MAX_WIDTH);
    int layers = config.integer("num_hidden_layers", 12, 1, MAX_LAYERS);
    int hidden = config.integer("intermediate_size", 2048, 1, 1 << 20);
    int heads = heads(config, d, 8);
    int context = config.integer("max_position_embeddings", 77, 1, 1 << 16);
    int vocabulary = config.integer("vocab_size", 49408, 1, 1 << 24);
    int eos = config.integer("eos_token_id", 49407, 0, vocabulary);
    double eps = config.number("layer_norm_eps", 1e-5, 0, 1);
    Activation activation =
        Activation.ofHuggingFace(config.text("hidden_act", "quick_gelu"), config.where());
    // Configurations before 2023 say 2 and mean "the largest id" (transformers #24773).
    EndRule rule = eos == LEGACY_EOS ? EndRule.LARGEST_ID : EndRule.FIRST_END;
    String p = "text_model.";
    return new TextTower(
        new TextTower.Config(
            d, layers, heads, context, vocabulary, activation, true, rule, eos, embed),
        new TextTower.Weights(
            weights.ready(p + "embeddings.token_embedding.weight", vocabulary, d),
            weights.ready(p + "embeddings.position_embedding.weight", context, d),
            weights.blocks(
                prefixed(CLIP_BLOCK, p + "encoder.layers.%d."),
                layers,
                new BlockShape(d, hidden, activation, eps)),
            weights.norm(p + "final_layer_norm", d, eps),
            weights.linear("text_projection", embed, d)));
  }

  // ---- ViT, DeiT, DINOv2 ----------------------------------------------------------------------

  private static Checkpoint.Parts vit(
      Path folder, JsonObject config, WeightSource weights, String type) {
    String p = prefix(weights, type + ".", "embeddings.cls_token");
    boolean distilled = weights.has(p + "embeddings.distillation_token");
    int d = config.integer("hidden_size", 768, 1, MAX_WIDTH);
    int layers = config.integer("num_hidden_layers", 12, 1, MAX_LAYERS);
    int hidden = config.integer("intermediate_size", 3072, 1, 1 << 20);
    int image = config.side("image_size", 224, 1 << 14);
    int patch = config.side("patch_size", 16, 1 << 10);
    double eps = config.number("layer_norm_eps", 1e-12, 0, 1);
    Activation activation =
        Activation.ofHuggingFace(config.text("hidden_act", "gelu"), config.where());
    int prefix = distilled ? 2 : 1;
    long patches = (long) grid(image, patch, config) * (image / patch);
    String positions = p + "embeddings.position_embeddings";
    long[] rows = {1, patches + prefix, d};
    BlockNames names =
        new BlockNames(
            p + "encoder.layer.%d.",
            "layernorm_before",
            VIT_QKV,
            "attention.output.dense",
            "layernorm_after",
            "intermediate.dense",
            "output.dense",
            "none",
            "none");
    var tower =
        new VisionTower(
            new VisionTower.Config(
                d,
                layers,
                heads(config, d, 12),
                patch,
                image,
                prefix,
                activation,
                Pooling.CLS,
                d,
                PositionResize.NONE),
            new VisionTower.Weights(
                patchProduct(weights, p + "embeddings.patch_embeddings.projection", d, patch, true),
                weights.ready(
                    () -> {
                      List<Tensor> tokens = new ArrayList<>();
                      tokens.add(weights.take(p + "embeddings.cls_token", 1, 1, d));
                      if (distilled) {
                        tokens.add(weights.take(p + "embeddings.distillation_token", 1, 1, d));
                      }
                      return Tensor.concat(tokens, 1)
                          .add(weights.take(positions, rows).narrow(1, 0, prefix))
                          .reshape(prefix, d);
                    }),
                weights.ready(
                    () ->
                        weights
                            .take(positions, rows)
                            .narrow(1, prefix, patches)
                            .reshape(patches, d)),
                null,
                weights.blocks(names, layers, new BlockShape(d, hidden, activation, eps)),
                weights.norm(p + "layernorm", d, eps),
                null));
    return new Checkpoint.Parts(
        "hf-" + type,
        tower,
        null,
        preprocessing(folder, 0),
        Math.log(100),
        Pattern.compile(".*(classifier\\..*|pooler\\..*|mask_token|decoder\\..*|position_ids)"));
  }

  private static Checkpoint.Parts dino(
      Path folder, JsonObject config, WeightSource weights, String type) {
    String p = prefix(weights, type + ".", "embeddings.cls_token");
    int d = config.integer("hidden_size", 768, 1, MAX_WIDTH);
    int layers = config.integer("num_hidden_layers", 12, 1, MAX_LAYERS);
    int ratio = config.integer("mlp_ratio", 4, 1, 64);
    int image = config.side("image_size", 224, 1 << 14);
    int patch = config.side("patch_size", type.equals("dinov2") ? 14 : 16, 1 << 10);
    int registers =
        type.equals("dinov2") ? 0 : config.integer("num_register_tokens", 4, 0, 1 << 10);
    double eps = config.number("layer_norm_eps", 1e-6, 0, 1);
    boolean swiglu = config.flag("use_swiglu_ffn", false);
    Activation activation =
        swiglu
            ? Activation.SWIGLU
            : Activation.ofHuggingFace(config.text("hidden_act", "gelu"), config.where());
    // DINOv2's SwiGLU keeps the parameter count of a plain MLP, rounded up to eights.
    int hidden = swiglu ? ((int) (d * ratio * 2L / 3) + 7) / 8 * 8 : d * ratio;
    long patches = (long) grid(image, patch, config) * (image / patch);
    String positions = p + "embeddings.position_embeddings";
    long[] rows = {1, patches + 1, d};
    BlockNames names =
        new BlockNames(
            p + "encoder.layer.%d.",
            "norm1",
            VIT_QKV,
            "attention.output.dense",
            "norm2",
            swiglu ? "mlp.weights_in" : "mlp.fc1",
            swiglu ? "mlp.weights_out" : "mlp.fc2",
            "layer_scale1.lambda1",
            "layer_scale2.lambda1");
    var tower =
        new VisionTower(
            new VisionTower.Config(
                d,
                layers,
                heads(config, d, 12),
                patch,
                image,
                1 + registers,
                activation,
                Pooling.CLS,
                d,
                registers > 0 ? PositionResize.BICUBIC_ANTIALIASED : PositionResize.BICUBIC),
            new VisionTower.Weights(
                patchProduct(weights, p + "embeddings.patch_embeddings.projection", d, patch, true),
                weights.ready(
                    () -> {
                      Tensor cls =
                          weights
                              .take(p + "embeddings.cls_token", 1, 1, d)
                              .add(weights.take(positions, rows).narrow(1, 0, 1));
                      if (registers == 0) return cls.reshape(1, d);
                      String name = p + "embeddings.register_tokens";
                      Tensor extra = weights.take(name, 1, registers, d);
                      return Tensor.concat(List.of(cls, extra), 1).reshape(1 + registers, d);
                    }),
                weights.ready(
                    () -> weights.take(positions, rows).narrow(1, 1, patches).reshape(patches, d)),
                null,
                weights.blocks(names, layers, new BlockShape(d, hidden, activation, eps)),
                weights.norm(p + "layernorm", d, eps),
                null));
    return new Checkpoint.Parts(
        "hf-" + type.replace('_', '-'),
        tower,
        null,
        preprocessing(folder, 0),
        Math.log(100),
        Pattern.compile(".*(classifier\\..*|mask_token)"));
  }

  // ---- shared ---------------------------------------------------------------------------------

  private static String prefix(WeightSource weights, String withHead, String probe) {
    return weights.has(withHead + probe) ? withHead : "";
  }

  private static BlockNames prefixed(BlockNames names, String prefix) {
    return new BlockNames(
        prefix,
        names.ln1(),
        names.qkv(),
        names.out(),
        names.ln2(),
        names.fc1(),
        names.fc2(),
        names.scale1(),
        names.scale2());
  }

  static int heads(JsonObject config, int width, int fallback) {
    int heads = config.integer("num_attention_heads", fallback, 1, 1 << 12);
    config.refuse("num_attention_heads", width % heads != 0, width + " is no multiple of it");
    return heads;
  }

  static int grid(int image, int patch, JsonObject config) {
    config.refuse("patch_size", patch > image, "larger than the image");
    return image / patch;
  }

  /** A convolution whose stride is its kernel, as a product over flattened patches. */
  static Linear patchProduct(WeightSource weights, String name, int d, int patch, boolean biased) {
    String bias = name + ".bias";
    return new Linear(
        weights.ready(
            () ->
                weights.take(name + ".weight", d, 3, patch, patch).reshape(d, 3L * patch * patch)),
        biased ? weights.ready(bias, d) : null);
  }

  /**
   * The folder's own preprocessing; for CLIP, whose rules are known, the defaults where there is no
   * such file.
   *
   * @param clipSize the image size of a CLIP tower, 0 for other models
   */
  private static Preprocessing preprocessing(Path folder, int clipSize) {
    Path file = folder.resolve("preprocessor_config.json");
    if (Files.isRegularFile(file)) return Preprocessing.fromHuggingFace(file);
    if (clipSize > 0) return Preprocessing.clip(clipSize);
    throw new InputException(
        file,
        "is missing, and only CLIP's preprocessing is known without it",
        "Fetch it from where the checkpoint came from");
  }
}
