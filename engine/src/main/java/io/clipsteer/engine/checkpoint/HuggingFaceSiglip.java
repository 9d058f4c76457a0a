// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.checkpoint;

import static io.clipsteer.engine.checkpoint.HuggingFaceReader.MAX_WIDTH;

import io.clipsteer.data.InputException;
import io.clipsteer.data.json.JsonObject;
import io.clipsteer.engine.checkpoint.WeightSource.Rename;
import io.clipsteer.engine.model.Activation;
import io.clipsteer.engine.model.AttentionPool;
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
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;

/**
 * transformers' SigLIP, and SigLIP 2 of fixed size, which has the same {@code model_type}: whole or
 * its vision side alone.
 */
final class HuggingFaceSiglip {
  private static final String PROCESSOR = "SiglipImageProcessor";
  private static final String VISION = "vision_model.";
  private static final String TEXT = "text_model.";
  private static final double EPS = 1e-6;

  /** The vision side alone, which transformers 5 saves bare. */
  private static final List<Rename> NAMES =
      List.of(
          new Rename("^siglip\\.", ""),
          new Rename("^(?=(embeddings|encoder|post_layernorm|head)\\.)", VISION));

  private HuggingFaceSiglip() {}

  /** {@code SiglipModel}. */
  static Checkpoint.Contents siglip(Path folder, JsonObject config, WeightSource weights) {
    HuggingFaceFields.refuseValues(config);
    VisionTower vision = tower(config.object("vision_config"), weights);
    TextTower text = text(config.object("text_config"), weights, vision.config().embedDim());
    config.refuseUnread(HuggingFaceFields.SIGLIP);
    return new Checkpoint.Contents(
        "hf-siglip",
        vision,
        text,
        HuggingFaceReader.preprocessing(folder, PROCESSOR),
        new Checkpoint.Scores(weights.scalar("logit_scale"), weights.scalar("logit_bias")),
        Pattern.compile("(vision|text)_model\\.embeddings\\.position_ids"),
        tokenizing(folder));
  }

  /**
   * The cleaning goes by the tokenizer's class: SigLIP 1 strips punctuation, SigLIP 2 makes lower
   * case alone. Earlier files of SigLIP 2 name Gemma's class, which does not; but the model was
   * trained so.
   */
  private static Tokenizer.Rules tokenizing(Path folder) {
    Path file = folder.resolve("tokenizer_config.json");
    if (!Files.isRegularFile(folder.resolve("tokenizer.json"))) return Tokenizer.Rules.PADDED;
    return switch (SpecialTokens.read(file).kind()) {
      case "SiglipTokenizer" -> Tokenizer.Rules.PADDED.cleaning(TextCleaning.SIGLIP);
      case "Siglip2Tokenizer", "GemmaTokenizer" -> Tokenizer.Rules.PADDED.lowering();
      case String other ->
          throw new InputException(
              file,
              "tokenizer_class " + (other.isEmpty() ? "is absent" : other + " is not SigLIP's"),
              "Known are SiglipTokenizer, Siglip2Tokenizer and GemmaTokenizer");
    };
  }

  /** {@code SiglipVisionModel}. */
  static Checkpoint.Contents vision(Path folder, JsonObject config, WeightSource weights) {
    weights.rename(NAMES);
    return new Checkpoint.Contents(
        "hf-siglip-vision",
        tower(config, weights),
        null,
        HuggingFaceReader.preprocessing(folder, PROCESSOR),
        Math.log(100),
        Pattern.compile("vision_model\\.embeddings\\.position_ids"));
  }

  /** The vision side; closes its configuration. */
  private static VisionTower tower(JsonObject config, WeightSource weights) {
    HuggingFaceReader.checkKind(config, "siglip_vision_model");
    HuggingFaceReader.checkChannels(config);
    int d = config.integer("hidden_size", 768, 1, MAX_WIDTH);
    int hidden = config.integer("intermediate_size", 3072, 1, 1 << 20);
    PatchGrid patches = HuggingFaceReader.patches(config, 16, PositionResize.NONE);
    Activation activation = HuggingFaceReader.activation(config, "gelu_pytorch_tanh");
    TowerShape shape = HuggingFaceReader.blocks(config, d, 12, hidden, activation, EPS);
    boolean head = config.flag("vision_use_head", true);
    config.refuse("vision_use_head", !head, "tokens without a pooled vector");
    config.refuseUnread(HuggingFaceFields.SIGLIP_SIDE);
    AttentionPool pool =
        PoolReader.huggingFace(
            weights,
            VISION + "head.",
            new PoolReader.PoolShape(d, shape.heads(), hidden, activation, shape.eps()));
    return new VitNames(
            true,
            VISION + "embeddings.patch_embedding",
            true,
            List.of(),
            VISION + "embeddings.position_embedding.weight",
            null,
            blocks(VISION, weights),
            VISION + "post_layernorm")
        .assemble(
            weights, new VisionConfig(shape, patches, 0, Pooling.ATTENTION, d), 0, pool, null);
  }

  /** The text side; closes its configuration. Its tokens see each other and the padding. */
  private static TextTower text(JsonObject config, WeightSource weights, int embed) {
    HuggingFaceReader.checkKind(config, "siglip_text_model");
    config.nullMeansAbsent("projection_size");
    int d = config.integer("hidden_size", 768, 1, MAX_WIDTH);
    int hidden = config.integer("intermediate_size", 3072, 1, 1 << 20);
    int context = config.integer("max_position_embeddings", 64, 1, 1 << 16);
    int vocabulary = config.integer("vocab_size", 32000, 1, 1 << 24);
    int projection = config.integer("projection_size", d, 1, MAX_WIDTH);
    if (projection != embed) {
      throw new InputException(
          config.where(),
          "texts are projected to " + projection + " numbers, images have " + embed,
          "Correct projection_size");
    }
    Activation activation = HuggingFaceReader.activation(config, "gelu_pytorch_tanh");
    TowerShape shape = HuggingFaceReader.blocks(config, d, 12, hidden, activation, EPS);
    config.refuseUnread(HuggingFaceFields.SIGLIP_SIDE);
    return new TextTower(
        new TextConfig(shape, context, vocabulary, false, new EndToken(EndRule.LAST, 0), embed),
        new TextWeights(
            weights.table(TEXT + "embeddings.token_embedding.weight", vocabulary, d),
            weights.ready(TEXT + "embeddings.position_embedding.weight", context, d),
            blocks(TEXT, weights).read(weights, shape),
            weights.norm(TEXT + "final_layer_norm", d, shape.eps()),
            weights.biased(TEXT + "head", embed, d, 1, 1)));
  }

  private static BlockNames blocks(String side, WeightSource weights) {
    return HuggingFaceClip.blocks(side, weights);
  }
}
