// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

import io.clipsteer.data.InputException;
import io.clipsteer.data.image.Preprocessing;
import io.clipsteer.data.json.JsonObject;
import io.clipsteer.engine.model.Block.Linear;
import io.clipsteer.engine.model.TextTower.EndRule;
import io.clipsteer.engine.model.WeightSource.BlockNames;
import io.clipsteer.engine.model.WeightSource.BlockShape;
import java.util.List;
import java.util.regex.Pattern;
import tools.jackson.databind.JsonNode;

/**
 * open_clip's checkpoints (its own towers and timm's) and OpenAI's archives, which carry the same
 * names and no configuration.
 */
final class OpenClipReader {
  private static final int MAX_WIDTH = 1 << 16;
  private static final int OPENAI_HEAD = 64;
  private static final double EPS = 1e-5;
  private static final String BLOCK = "resblocks.%d.";

  private OpenClipReader() {}

  static Checkpoint.Parts read(JsonObject file, WeightSource weights) {
    JsonObject config = file.object("model_cfg");
    JsonObject visionConfig = config.object("vision_cfg");
    int embed = config.integer("embed_dim", 512, 1, MAX_WIDTH);
    boolean quick = config.flag("quick_gelu", false);
    boolean timm = visionConfig.has("timm_model_name");
    VisionTower vision =
        timm
            ? TimmReader.openClipTower(visionConfig, weights, embed)
            : vision(visionConfig, weights, embed, quick);
    TextTower text = null;
    if (config.has("text_cfg") && hasText(weights)) {
      text = text(config.object("text_cfg"), weights, embed, quick);
    }
    return new Checkpoint.Parts(
        timm ? "open-clip-timm" : "open-clip",
        vision,
        text,
        Preprocessing.fromOpenClip(file.object("preprocess_cfg"), vision.config().imageSize()),
        logScale(weights),
        Pattern.compile("(text\\.)?attn_mask|logit_bias|visual\\.trunk\\.head\\..*"));
  }

  private static boolean isArray(JsonObject config, String name) {
    JsonNode value = config.get(name);
    return value != null && value.isArray();
  }

  private static boolean hasText(WeightSource weights) {
    return weights.has("token_embedding.weight") || weights.has("text.token_embedding.weight");
  }

  private static double logScale(WeightSource weights) {
    return weights.has("logit_scale") ? weights.scalar("logit_scale") : Math.log(100);
  }

  // ---- open_clip's own towers -----------------------------------------------------------------

  private static VisionTower vision(
      JsonObject config, WeightSource weights, int embed, boolean quick) {
    config.refuse("layers", isArray(config, "layers"), "a ResNet");
    config.refuse("attentional_pool", config.flag("attentional_pool", false), "attentional pool");
    config.refuse("final_ln_after_pool", config.flag("final_ln_after_pool", false), "not known");
    config.refuse("no_ln_pre", config.flag("no_ln_pre", false), "no norm before the blocks");
    String pool = config.text("pool_type", "tok");
    config.refuse("pool_type", !pool.equals("tok"), "only \"tok\" is known");
    int d = config.integer("width", 768, 1, MAX_WIDTH);
    int layers = config.integer("layers", 12, 1, 1000);
    int head = config.integer("head_width", OPENAI_HEAD, 1, MAX_WIDTH);
    config.refuse("head_width", d % head != 0, "the width " + d + " is no multiple of it");
    int patch = config.side("patch_size", 16, 1 << 10);
    int image = config.side("image_size", 224, 1 << 14);
    int hidden = (int) (d * config.number("mlp_ratio", 4, 0.1, 64));
    return vision(
        weights,
        new VisionTower.Config(
            d,
            layers,
            d / head,
            patch,
            image,
            1,
            quick ? Activation.QUICK_GELU : Activation.GELU,
            Pooling.CLS,
            embed,
            PositionResize.NONE),
        hidden);
  }

  private static VisionTower vision(WeightSource weights, VisionTower.Config config, int hidden) {
    int d = config.width();
    long patches = (long) config.grid() * config.grid();
    String positions = "visual.positional_embedding";
    BlockShape shape = new BlockShape(d, hidden, config.activation(), EPS);
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
            weights.norm("visual.ln_pre", d, EPS),
            weights.blocks(blockNames("visual.transformer."), config.layers(), shape),
            weights.norm("visual.ln_post", d, EPS),
            weights.projection("visual.proj", d, config.embedDim())));
  }

  private static BlockNames blockNames(String prefix) {
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

  private static TextTower text(JsonObject config, WeightSource weights, int embed, boolean quick) {
    config.refuse("hf_model_name", config.has("hf_model_name"), "a Hugging Face text model");
    config.refuse("embed_cls", config.flag("embed_cls", false), "a class token in the text");
    int d = config.integer("width", 512, 1, MAX_WIDTH);
    int heads = config.integer("heads", 8, 1, 1 << 12);
    config.refuse("heads", d % heads != 0, "the width " + d + " is no multiple of it");
    int hidden = (int) (d * config.number("mlp_ratio", 4, 0.1, 64));
    String pool = config.text("pool_type", "argmax");
    EndRule rule =
        switch (pool) {
          case "argmax" -> EndRule.LARGEST_ID;
          case "eos" -> EndRule.FIRST_END;
          case "first" -> EndRule.FIRST;
          case "last" -> EndRule.LAST;
          default ->
              throw new InputException(
                  config.where(), "pool_type " + pool, "Known are argmax, eos, first, last");
        };
    int vocabulary = config.integer("vocab_size", 49408, 1, 1 << 24);
    return text(
        weights,
        new TextTower.Config(
            d,
            config.integer("layers", 12, 1, 1000),
            heads,
            config.integer("context_length", 77, 1, 1 << 16),
            vocabulary,
            quick ? Activation.QUICK_GELU : Activation.GELU,
            !config.flag("no_causal_mask", false),
            rule,
            config.integer("eos_id", vocabulary - 1, 0, vocabulary),
            embed),
        hidden);
  }

  private static TextTower text(WeightSource weights, TextTower.Config config, int hidden) {
    String p = weights.has("text.token_embedding.weight") ? "text." : "";
    int d = config.width();
    String projection = p + "text_projection";
    Linear project =
        weights.has(projection)
            ? weights.projection(projection, d, config.embedDim())
            : weights.linear(projection, config.embedDim(), d);
    return new TextTower(
        config,
        new TextTower.Weights(
            weights.ready(p + "token_embedding.weight", config.vocabulary(), d),
            weights.ready(p + "positional_embedding", config.context(), d),
            weights.blocks(
                blockNames(p + "transformer."),
                config.layers(),
                new BlockShape(d, hidden, config.activation(), EPS)),
            weights.norm(p + "ln_final", d, EPS),
            project));
  }

  // ---- OpenAI's archives ----------------------------------------------------------------------

  /**
   * An OpenAI {@code .pt}: the shapes say all there is to know, heads are 64 wide, and the
   * activation is QuickGELU, by provenance.
   */
  static Checkpoint.Parts readOpenAi(WeightSource weights) {
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
    VisionTower vision =
        vision(
            weights,
            new VisionTower.Config(
                d,
                count(weights, "visual.transformer.resblocks.%d.ln_1.weight"),
                d / OPENAI_HEAD,
                patch,
                grid * patch,
                1,
                Activation.QUICK_GELU,
                Pooling.CLS,
                embed,
                PositionResize.NONE),
            hidden(weights, "visual.transformer.resblocks.0.mlp.c_fc.weight"));
    return new Checkpoint.Parts(
        "openai",
        vision,
        openAiText(weights, embed),
        Preprocessing.clip(grid * patch),
        weights.scalar("logit_scale"),
        Pattern.compile("input_resolution|context_length|vocab_size|attn_mask"));
  }

  private static TextTower openAiText(WeightSource weights, int embed) {
    long[] tokens = weights.shape("token_embedding.weight");
    int context = Math.toIntExact(weights.shape("positional_embedding")[0]);
    int vocabulary = Math.toIntExact(tokens[0]);
    int d = Math.toIntExact(tokens[tokens.length - 1]);
    return text(
        weights,
        new TextTower.Config(
            d,
            count(weights, "transformer.resblocks.%d.ln_1.weight"),
            Math.max(1, d / OPENAI_HEAD),
            context,
            vocabulary,
            Activation.QUICK_GELU,
            true,
            EndRule.LARGEST_ID,
            vocabulary - 1,
            embed),
        hidden(weights, "transformer.resblocks.0.mlp.c_fc.weight"));
  }

  private static int hidden(WeightSource weights, String name) {
    return Math.toIntExact(weights.shape(name)[0]);
  }

  static int count(WeightSource weights, String pattern) {
    int layers = 0;
    while (weights.has(pattern.formatted(layers))) layers++;
    return layers;
  }
}
