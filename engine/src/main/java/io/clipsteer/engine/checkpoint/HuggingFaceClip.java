// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.checkpoint;

import static io.clipsteer.engine.checkpoint.HuggingFaceReader.MAX_WIDTH;

import io.clipsteer.data.json.JsonObject;
import io.clipsteer.engine.checkpoint.WeightSource.Rename;
import io.clipsteer.engine.model.Activation;
import io.clipsteer.engine.model.Block.Linear;
import io.clipsteer.engine.model.PatchGrid;
import io.clipsteer.engine.model.Pooling;
import io.clipsteer.engine.model.PositionResize;
import io.clipsteer.engine.model.TextConfig;
import io.clipsteer.engine.model.TextConfig.EndRule;
import io.clipsteer.engine.model.TextConfig.EndToken;
import io.clipsteer.engine.model.TextTower;
import io.clipsteer.engine.model.TextWeights;
import io.clipsteer.engine.model.TowerShape;
import io.clipsteer.engine.model.VisionConfig;
import io.clipsteer.engine.model.VisionTower;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/** transformers' CLIP, whole or its vision side alone. */
final class HuggingFaceClip {
  private static final int LEGACY_EOS = 2;
  private static final String PROCESSOR = "CLIPImageProcessor";
  private static final String VISION = "vision_model.";
  private static final String TEXT = "text_model.";
  private static final String PROJECTION = "visual_projection.weight";

  /** The class's own name in front, and the vision side, which transformers 5 saves bare. */
  private static final List<Rename> NAMES =
      List.of(
          new Rename("^(clip|metaclip_2)\\.", ""),
          new Rename("^(?=(embeddings|pre_layrnorm|encoder|post_layernorm)\\.)", VISION));

  private HuggingFaceClip() {}

  /**
   * {@code CLIPModel} and {@code MetaClip2Model}; of {@code CLIPForImageClassification} the vision
   * side.
   *
   * @param kind {@code clip} or {@code metaclip_2}
   */
  static Checkpoint.Contents clip(
      Path folder, JsonObject config, WeightSource weights, String kind) {
    weights.rename(NAMES);
    HuggingFaceFields.refuseValues(config);
    JsonObject visionConfig = side(config, "vision_config", HuggingFaceFields.CLIP_VISION);
    JsonObject textConfig = side(config, "text_config", HuggingFaceFields.CLIP_TEXT);
    int embed = config.integer("projection_dim", 512, 1, MAX_WIDTH);
    boolean classifier = weights.has("classifier.weight") && !weights.has(PROJECTION);
    VisionTower vision = tower(visionConfig, weights, kind, classifier ? null : embed);
    TextTower text = null;
    if (classifier) {
      textConfig.refuseUnread(textConfig.names());
    } else {
      text = text(textConfig, weights, kind, embed);
    }
    config.refuseUnread(HuggingFaceFields.CLIP);
    return parts(folder, vision, text, weights, kind);
  }

  /** {@code CLIPVisionModel} and {@code CLIPVisionModelWithProjection}. */
  static Checkpoint.Contents vision(
      Path folder, JsonObject config, WeightSource weights, String kind) {
    weights.rename(NAMES);
    HuggingFaceFields.refuseValues(config);
    int embed = config.integer("projection_dim", 512, 1, MAX_WIDTH);
    JsonNode classes = config.get("architectures");
    boolean named = classes != null && classes.toString().contains("WithProjection");
    boolean projected = named || weights.has(PROJECTION);
    VisionTower vision = tower(config, weights, kind, projected ? embed : null);
    return parts(folder, vision, null, weights, kind);
  }

  private static Checkpoint.Contents parts(
      Path folder,
      VisionTower vision,
      @Nullable TextTower text,
      WeightSource weights,
      String kind) {
    return new Checkpoint.Contents(
        "hf-" + kind.replace('_', '-') + (text == null ? "-vision" : ""),
        vision,
        text,
        HuggingFaceReader.preprocessing(folder, PROCESSOR),
        Checkpoint.Scores.softmax(text == null ? Math.log(100) : weights.scalar("logit_scale")),
        Pattern.compile(
            text == null
                ? "vision_model\\.embeddings\\.position_ids|classifier\\.(weight|bias)"
                : "(vision|text)_model\\.embeddings\\.position_ids"),
        kind.equals("clip") ? Tokenizer.Rules.HUGGING_FACE : Tokenizer.Rules.PADDED);
  }

  /**
   * A side's configuration. The files of 2022 have it twice: {@code …_config_dict}, with defaults
   * for absent fields, takes precedence over {@code …_config}.
   */
  private static JsonObject side(JsonObject config, String name, Set<String> harmless) {
    JsonObject plain = config.object(name);
    if (!config.has(name + "_dict")) {
      config.get(name + "_dict"); // null: as if it were not there
      return plain;
    }
    plain.refuseUnread(HuggingFaceFields.union(harmless, HuggingFaceFields.READ_OF_CLIP_SIDES));
    return config.object(name + "_dict");
  }

  /**
   * The vision side; closes its configuration.
   *
   * @param embed width of the projection; null without one
   */
  private static VisionTower tower(
      JsonObject config, WeightSource weights, String kind, @Nullable Integer embed) {
    HuggingFaceReader.checkKind(config, kind + "_vision_model");
    HuggingFaceReader.checkChannels(config);
    int d = config.integer("hidden_size", 768, 1, MAX_WIDTH);
    int hidden = config.integer("intermediate_size", 3072, 1, 1 << 20);
    PatchGrid patches = HuggingFaceReader.patches(config, 32, PositionResize.NONE);
    Activation activation = HuggingFaceReader.activation(config, "quick_gelu");
    TowerShape shape = HuggingFaceReader.blocks(config, d, 12, hidden, activation, 1e-5);
    config.refuseUnread(HuggingFaceFields.CLIP_VISION);
    var tower = new VisionConfig(shape, patches, 1, Pooling.CLS, embed == null ? d : embed);
    return new VitNames(
            true,
            VISION + "embeddings.patch_embedding",
            false,
            List.of(VISION + "embeddings.class_embedding"),
            VISION + "embeddings.position_embedding.weight",
            VISION + "pre_layrnorm",
            blocks(VISION, weights),
            VISION + "post_layernorm")
        .assemble(
            weights,
            tower,
            1,
            embed == null ? null : new Linear(weights.ready(PROJECTION, embed, d), null));
  }

  /** The text side; closes its configuration. */
  private static TextTower text(JsonObject config, WeightSource weights, String kind, int embed) {
    HuggingFaceReader.checkKind(config, kind + "_text_model");
    int d = config.integer("hidden_size", 512, 1, MAX_WIDTH);
    int hidden = config.integer("intermediate_size", 2048, 1, 1 << 20);
    int context = config.integer("max_position_embeddings", 77, 1, 1 << 16);
    int vocabulary = config.integer("vocab_size", 49408, 1, 1 << 24);
    int eos = config.integer("eos_token_id", 49407, 0, Integer.MAX_VALUE);
    config.refuse("eos_token_id", eos >= vocabulary, "the vocabulary has " + vocabulary + " ids");
    Activation activation = HuggingFaceReader.activation(config, "quick_gelu");
    TowerShape shape = HuggingFaceReader.blocks(config, d, 8, hidden, activation, 1e-5);
    config.refuseUnread(HuggingFaceFields.CLIP_TEXT);
    // CLIP's configurations before 2023 say 2 and mean "the largest id" (transformers #24773).
    boolean legacy = kind.equals("clip") && eos == LEGACY_EOS;
    EndRule rule = legacy ? EndRule.LARGEST_ID : EndRule.FIRST_END;
    return new TextTower(
        new TextConfig(shape, context, vocabulary, true, new EndToken(rule, eos), embed),
        new TextWeights(
            weights.table(TEXT + "embeddings.token_embedding.weight", vocabulary, d),
            weights.ready(TEXT + "embeddings.position_embedding.weight", context, d),
            blocks(TEXT, weights).read(weights, shape),
            weights.norm(TEXT + "final_layer_norm", d, shape.eps()),
            new Linear(weights.ready("text_projection.weight", embed, d), null)));
  }

  /** The blocks of a side, of CLIP and SigLIP alike. */
  static BlockNames blocks(String side, WeightSource weights) {
    String p = side + "encoder.layers.%d.";
    weights.shape(p.formatted(0) + "self_attn.q_proj.bias"); // they always have it
    return new BlockNames(
        p,
        "layer_norm1",
        List.of("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        "self_attn.out_proj",
        "layer_norm2",
        "mlp.fc1",
        "mlp.fc2",
        "none",
        "none");
  }
}
