// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.checkpoint;

import io.clipsteer.data.InputException;
import io.clipsteer.data.json.JsonObject;
import io.clipsteer.data.preprocess.Preprocessing;
import io.clipsteer.engine.model.Activation;
import io.clipsteer.engine.model.Block.Linear;
import io.clipsteer.engine.model.PatchGrid;
import io.clipsteer.engine.model.Pooling;
import io.clipsteer.engine.model.TextConfig;
import io.clipsteer.engine.model.TextConfig.EndRule;
import io.clipsteer.engine.model.TextConfig.EndToken;
import io.clipsteer.engine.model.TextTower;
import io.clipsteer.engine.model.TextWeights;
import io.clipsteer.engine.model.TowerShape;
import io.clipsteer.engine.model.VisionConfig;
import io.clipsteer.engine.model.VisionTower;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * open_clip's checkpoints (its own towers and timm's) and OpenAI's archives, which carry the same
 * names and no configuration.
 */
final class OpenClipReader {
  static final int MAX_WIDTH = 1 << 16;
  private static final int HEAD = 64;
  private static final String BLOCK = "resblocks.%d.";

  private OpenClipReader() {}

  static Checkpoint.Contents read(JsonObject file, WeightSource weights) {
    JsonObject config = part(file, "model_cfg");
    config.nullMeansAbsent("quick_gelu", "custom_text");
    JsonObject visionConfig = part(config, "vision_cfg");
    // A folder may hold the vision side alone; weights of a text side are then refused.
    boolean textual = config.has("text_cfg");
    JsonObject textConfig = config.object("text_cfg");
    config.refuse("multimodal_cfg", config.names("multimodal_cfg"), "a captioner (CoCa)");
    Integer embed = config.integerOrNull("embed_dim", 1, MAX_WIDTH);
    if (embed == null) throw config.wrong("embed_dim", "a width");
    boolean quick = config.flag("quick_gelu", false);
    config.flag("custom_text", false); // the names of the weights say the same
    boolean sigmoid = config.nullMeansAbsent("init_logit_bias").has("init_logit_bias");
    if (sigmoid) config.number("init_logit_bias", 0, -1e6, 1e6);
    boolean timm = visionConfig.has("timm_model_name");
    VisionTower vision =
        timm
            ? TimmReader.openClipTower(visionConfig, weights, embed)
            : vision(visionConfig, weights, embed, quick);
    visionConfig.refuseUnread(timm ? OpenClipFields.TRUNK : OpenClipFields.VISION);
    TextTower text = null;
    Tokenizer.Rules rules = OpenClipFields.tokenizing(textConfig);
    if (textual && hasText(weights)) text = text(textConfig, weights, embed, quick);
    textConfig.refuseUnread(text == null ? textConfig.names() : OpenClipFields.TEXT);
    config.refuseUnread(OpenClipFields.MODEL);
    Preprocessing preprocessing =
        Preprocessing.fromOpenClip(file.object("preprocess_cfg"), vision.config().imageSize());
    file.refuseUnread(Set.of());
    return new Checkpoint.Contents(
        timm ? "open-clip-timm" : "open-clip",
        vision,
        text,
        preprocessing,
        scores(weights, sigmoid, text),
        Pattern.compile("(text\\.)?attn_mask"),
        rules);
  }

  /** A model without a text side uses a scale only with a text library. */
  private static Checkpoint.Scores scores(
      WeightSource weights, boolean sigmoid, @Nullable TextTower text) {
    boolean scaled = text != null || weights.has("logit_scale");
    if (text != null) {
      TimmShape.requirePresence(
          weights, "logit_bias", sigmoid, "init_logit_bias is " + (sigmoid ? "given" : "null"));
    }
    return new Checkpoint.Scores(
        scaled ? weights.scalar("logit_scale") : Math.log(100),
        weights.has("logit_bias") ? weights.scalar("logit_bias") : null);
  }

  private static JsonObject part(JsonObject config, String name) {
    if (!config.has(name)) throw config.wrong(name, "an object");
    return config.object(name);
  }

  private static boolean hasText(WeightSource weights) {
    return weights.has("token_embedding.weight") || weights.has("text.token_embedding.weight");
  }

  // ---- open_clip's own towers -----------------------------------------------------------------

  /** Reads {@code vision_cfg}; absent fields have the defaults of open_clip's CLIPVisionCfg. */
  private static VisionTower vision(
      JsonObject config, WeightSource weights, int embed, boolean quick) {
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
    int d = config.integer("width", 768, 1, MAX_WIDTH);
    int layers = config.integer("layers", 12, 1, 1000);
    int head = config.integer("head_width", HEAD, 1, MAX_WIDTH);
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
    return vision(
        weights,
        new VisionConfig(blocks, new PatchGrid(patch, image), 1, pooling, embed),
        !config.flag("no_ln_pre", false));
  }

  /**
   * The tower of a shape.
   *
   * @param preNorm whether a norm precedes the blocks
   */
  private static VisionTower vision(WeightSource weights, VisionConfig config, boolean preNorm) {
    return new VitNames(
            true,
            "visual.conv1",
            false,
            List.of("visual.class_embedding"),
            "visual.positional_embedding",
            preNorm ? "visual.ln_pre" : null,
            blockNames("visual.transformer."),
            "visual.ln_post")
        .assemble(
            weights,
            config,
            1,
            weights.projection("visual.proj", config.width(), config.embedDim()));
  }

  private static TextTower text(JsonObject config, WeightSource weights, int embed, boolean quick) {
    OpenClipFields.refuseBlocks(config);
    config.refuse("embed_cls", config.flag("embed_cls", false), "a class token in the text");
    int d = config.integer("width", 512, 1, MAX_WIDTH);
    int heads = config.integer("heads", 8, 1, 1 << 12);
    config.refuse("heads", d % heads != 0, "the width " + d + " is no multiple of it");
    int layers = config.integer("layers", 12, 1, 1000);
    int hidden = (int) (d * config.number("mlp_ratio", 4, 0.1, 64));
    EndRule rule =
        switch (config.text("pool_type", "argmax")) {
          case "argmax" -> EndRule.LARGEST_ID;
          case "eos" -> EndRule.FIRST_END;
          case "first" -> EndRule.FIRST;
          case "last" -> EndRule.LAST;
          default -> throw config.wrong("pool_type", "argmax, eos, first or last");
        };
    int vocabulary = config.integer("vocab_size", 49408, 1, 1 << 24);
    String p = weights.has("text.token_embedding.weight") ? "text." : "";
    OpenClipFields.layerScale(config, weights, p + "transformer.", layers);
    String projection = config.text("proj_type", "linear");
    boolean none = projection.equals("none");
    config.refuse("proj_type", !none && !projection.equals("linear"), "known are linear and none");
    boolean biased = config.flag("proj_bias", false);
    String biasedName = p + "text_projection.weight";
    TimmShape.requirePresence(
        weights,
        biasedName,
        biased && !none,
        "proj_bias is " + biased + ", proj_type " + projection);
    if (!none && !biased) weights.shape(p + "text_projection");
    var activation = OpenClipFields.activation(config, quick);
    return text(
        weights,
        p,
        new TextConfig(
            new TowerShape(d, layers, heads, hidden, activation, OpenClipFields.eps(config)),
            config.integer("context_length", 77, 1, 1 << 16),
            vocabulary,
            !config.flag("no_causal_mask", false),
            new EndToken(rule, config.integer("eos_id", 2, 0, 1 << 24)),
            none ? d : embed));
  }

  private static TextTower text(WeightSource weights, String p, TextConfig config) {
    int d = config.width();
    String projection = p + "text_projection";
    Linear project = null;
    if (weights.has(projection)) {
      project = weights.projection(projection, d, config.embedDim());
    } else if (weights.has(projection + ".weight")) {
      TimmShape.requirePresence(weights, projection + ".bias", true, "proj_bias is true");
      project = weights.linear(projection, config.embedDim(), d);
    }
    return new TextTower(
        config,
        new TextWeights(
            weights.table(p + "token_embedding.weight", config.vocabulary(), d),
            weights.ready(p + "positional_embedding", config.context(), d),
            blockNames(p + "transformer.").read(weights, config.blocks()),
            weights.norm(p + "ln_final", d, config.blocks().eps()),
            project));
  }

  static BlockNames blockNames(String prefix) {
    return new BlockNames(
        prefix + BLOCK,
        "ln_1",
        List.of("attn.in_proj_"),
        "attn.out_proj",
        "ln_2",
        "mlp.c_fc",
        "mlp.c_proj",
        "ls_1.gamma",
        "ls_2.gamma");
  }

  // ---- OpenAI's archives ----------------------------------------------------------------------

  /**
   * An OpenAI {@code .pt}: its tensors' shapes give the towers', heads are 64 wide, and the
   * activation is known to be QuickGELU.
   */
  static Checkpoint.Contents readOpenAi(WeightSource weights) {
    if (!weights.has("visual.conv1.weight") || !weights.has("visual.proj")) {
      throw new InputException(
          weights.where(),
          "a file alone is read only when it is an OpenAI CLIP with a vision transformer",
          "Name the folder that also holds its config.json or open_clip_config.json");
    }
    if (!weights.openAiArchive()) {
      throw new InputException(
          weights.where(),
          "no configuration lies beside it, so its activation is unknown",
          "Name the folder that also holds open_clip_config.json");
    }
    long[] conv = weights.shape("visual.conv1.weight");
    long[] positions = weights.shape("visual.positional_embedding");
    long[] projection = weights.shape("visual.proj");
    if (conv.length != 4 || positions.length != 2 || projection.length != 2 || conv[0] % 64 != 0) {
      throw new InputException(
          weights.where(), "its shapes are not those of a CLIP", "Fetch the file again");
    }
    int d = Math.toIntExact(conv[0]);
    int patch = Math.toIntExact(conv[2]);
    int grid = (int) Math.round(Math.sqrt(positions[0] - 1));
    int embed = Math.toIntExact(projection[1]);
    var patches = new PatchGrid(patch, grid * patch);
    VisionTower vision =
        vision(
            weights,
            new VisionConfig(openAi(weights, "visual.", d), patches, 1, Pooling.CLS, embed),
            true);
    return new Checkpoint.Contents(
        "openai",
        vision,
        openAiText(weights, embed),
        Preprocessing.clip(grid * patch),
        Checkpoint.Scores.softmax(weights.scalar("logit_scale")),
        Pattern.compile("input_resolution|context_length|vocab_size|attn_mask"),
        Tokenizer.Rules.OPENAI);
  }

  private static TextTower openAiText(WeightSource weights, int embed) {
    long[] tokens = weights.shape("token_embedding.weight");
    int context = Math.toIntExact(weights.shape("positional_embedding")[0]);
    int vocabulary = Math.toIntExact(tokens[0]);
    int d = Math.toIntExact(tokens[tokens.length - 1]);
    weights.shape("text_projection"); // a missing one is named
    var end = new EndToken(EndRule.LARGEST_ID, vocabulary - 1);
    return text(
        weights, "", new TextConfig(openAi(weights, "", d), context, vocabulary, true, end, embed));
  }

  /** The shape of a tower's blocks, by its tensors. */
  private static TowerShape openAi(WeightSource weights, String side, int d) {
    String block = side + "transformer." + BLOCK;
    int layers = 0;
    while (weights.has(block.formatted(layers) + "ln_1.weight")) layers++;
    int hidden = Math.toIntExact(weights.shape(block.formatted(0) + "mlp.c_fc.weight")[0]);
    int heads = Math.max(1, d / HEAD);
    return new TowerShape(d, layers, heads, hidden, Activation.QUICK_GELU, OpenClipFields.EPS);
  }
}
