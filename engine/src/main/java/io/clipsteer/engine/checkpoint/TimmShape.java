// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.checkpoint;

import io.clipsteer.data.InputException;
import io.clipsteer.data.json.JsonObject;
import io.clipsteer.engine.model.Activation;
import io.clipsteer.engine.model.AttentionPool;
import io.clipsteer.engine.model.PatchGrid;
import io.clipsteer.engine.model.Pooling;
import io.clipsteer.engine.model.TowerShape;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import tools.jackson.databind.JsonNode;

/**
 * The arguments that one of timm's plain vision transformers is built with.
 *
 * @param layerScale whether the blocks' outputs are scaled
 * @param patchesOnly whether prefix tokens have no positions
 * @param normAfterPool whether the last norm follows the pooling ({@code fc_norm})
 * @param withPrefix whether pooling over tokens takes the prefix tokens in
 * @param pool pooling as timm calls it
 */
record TimmShape(
    boolean distilled,
    PatchGrid patches,
    TowerShape blocks,
    boolean qkvBias,
    boolean layerScale,
    int registers,
    boolean patchesOnly,
    boolean preNorm,
    boolean normAfterPool,
    boolean withPrefix,
    boolean classToken,
    String pool)
    implements TimmTrunk {
  private static final int MAX_WIDTH = 1 << 16;

  /** Arguments whose every other value than timm's default is computed by other code. */
  private static final Set<String> DEFAULT_FALSE =
      Set.of("qk_norm", "scale_attn_norm", "scale_mlp_norm", "use_naflex", "dynamic_img_pad");

  /**
   * A trunk of open_clip's: the name's own arguments with those of its default configuration.
   *
   * @param pool pooling when it is built
   */
  static TimmTrunk of(TimmNames name, String pool, Object where) {
    return of(name, JsonObject.parse("{}", where), name.integer("default_img_size"), pool);
  }

  /**
   * A folder's: the name's arguments, changed by {@code model_args} and {@code pretrained_cfg} as
   * timm's factory does it.
   */
  static TimmTrunk of(TimmNames name, JsonObject args, JsonObject pretrained) {
    pretrained.nullMeansAbsent("fixed_input_size", "input_size");
    boolean dynamic = args.flag("dynamic_img_size", false);
    boolean stated = pretrained.flag("fixed_input_size", false) && !dynamic;
    // Without learned positions any size is computed: the tower is that of the images.
    boolean fixed = stated || name.eva() && !name.flag("use_abs_pos_emb");
    int size = name.integer("img_size");
    JsonNode input = pretrained.get("input_size");
    if (fixed && input != null && !args.names("img_size")) {
      if (input.size() != 3 || !input.get(1).equals(input.get(2))) {
        throw pretrained.wrong("input_size", "three channels of a square");
      }
      size = pretrained.whole("input_size", input.get(1), 1, 1 << 14);
    }
    return of(name, args, size, name.text("global_pool"));
  }

  private static TimmTrunk of(TimmNames name, JsonObject args, int size, String defaultPool) {
    if (name.eva()) return TimmEva.of(name, args, size, defaultPool);
    Object where = args.where();
    boolean distilled = name.text("kind").equals("distilled");
    refuseOthers(name, args);
    args.nullMeansAbsent("init_values", "fc_norm", "norm_layer", "act_layer", "embed_norm_layer");
    int patch = args.side("patch_size", name.integer("patch_size"), 1 << 10);
    int image = args.side("img_size", size, 1 << 14);
    int width = args.integer("embed_dim", name.integer("embed_dim"), 1, MAX_WIDTH);
    int heads = args.integer("num_heads", name.integer("num_heads"), 1, 1 << 12);
    if (width % heads != 0) {
      throw args.bad(width + " wide for " + heads + " heads", "Give embed_dim and num_heads");
    }
    if (patch > image) throw args.bad("patches of " + patch + " in " + image, "Give patch_size");
    String pool = args.text("global_pool", defaultPool);
    if (!args.flag("final_norm", name.flag("final_norm")))
      throw TimmReader.unsupported(where, "a model without a last norm");
    boolean classToken = args.flag("class_token", name.flag("class_token"));
    String positions = args.text("pos_embed", name.text("pos_embed"));
    if (!positions.equals("learn")) {
      throw TimmReader.unsupported(where, "pos_embed is \"" + positions + "\"");
    }
    boolean patchesOnly = args.flag("no_embed_class", name.flag("no_embed_class"));
    int registers = args.integer("reg_tokens", name.integer("reg_tokens"), 0, 1 << 10);
    TimmReader.refuseRegistersAlone(classToken, registers, where);
    if (distilled && (patchesOnly || registers > 0 || !classToken)) {
      throw TimmReader.unsupported(where, "a distilled model with other prefix tokens");
    }
    int hidden = (int) (width * args.number("mlp_ratio", name.number("mlp_ratio"), 0.1, 64));
    var blocks =
        new TowerShape(
            width,
            args.integer("depth", name.integer("depth"), 1, 1000),
            heads,
            hidden,
            activation(name, args),
            eps(name, args));
    return new TimmShape(
        distilled,
        new PatchGrid(patch, image),
        blocks,
        args.flag("qkv_bias", name.flag("qkv_bias")),
        layerScale(name, args),
        registers,
        patchesOnly,
        args.flag("pre_norm", name.flag("pre_norm")),
        normAfterPool(name, args, pool),
        args.flag("pool_include_prefix", name.flag("pool_include_prefix")),
        classToken,
        pool);
  }

  private static void refuseOthers(TimmNames name, JsonObject args) {
    if (!name.text("other").isEmpty()) {
      throw TimmReader.unsupported(args.where(), "timm builds it with " + name.text("other"));
    }
    for (String field : DEFAULT_FALSE) {
      args.refuse(field, args.flag(field, false), "not computed here");
    }
    args.refuse("proj_bias", !args.flag("proj_bias", true), "products without bias");
    args.refuse("in_chans", args.integer("in_chans", 3, 1, 1 << 10) != 3, "not RGB");
  }

  private static boolean layerScale(TimmNames name, JsonObject args) {
    if (!args.names("init_values")) return name.numberOrNull("init_values") != null;
    // timm tests the value for truth: zero means none.
    return args.get("init_values") != null && args.number("init_values", 0, -1e6, 1e6) != 0;
  }

  private static boolean normAfterPool(TimmNames name, JsonObject args, String pool) {
    Boolean said = name.flagOrNull("fc_norm");
    if (args.names("fc_norm")) {
      said = args.get("fc_norm") == null ? null : (Boolean) args.flag("fc_norm", false);
    }
    return said == null ? List.of("avg", "avgmax", "max").contains(pool) : said;
  }

  static double eps(TimmNames name, JsonObject args) {
    if (!args.names("norm_layer")) return name.number("norm_eps");
    String layer = args.text("norm_layer", "layernorm").replace("_", "").toLowerCase(Locale.ROOT);
    args.refuse("norm_layer", !layer.equals("layernorm"), "only layernorm is known");
    return 1e-6;
  }

  private static Activation activation(TimmNames name, JsonObject args) {
    String act = args.names("act_layer") ? args.text("act_layer", "gelu") : name.text("act");
    return switch (act) {
      case "gelu" -> Activation.GELU;
      case "gelu_tanh" -> Activation.GELU_TANH;
      case "quick_gelu" -> Activation.QUICK_GELU;
      default ->
          throw new InputException(
              args.where(), "act_layer " + act, "Known are gelu, gelu_tanh, quick_gelu");
    };
  }

  @Override
  public boolean positions() {
    return true;
  }

  @Override
  public String finalNorm() {
    return normAfterPool ? "fc_norm" : "norm";
  }

  @Override
  public Pooling pooling(String name, Object where) {
    if (name.equals("token") && !classToken) {
      throw TimmReader.unsupported(where, "global_pool \"token\" without a class token");
    }
    if (distilled && name.equals("token")) return Pooling.CLS_AND_DISTILLATION;
    if (name.equals("token")) return Pooling.CLS;
    if (name.equals("avg") && !distilled && !withPrefix) {
      return normAfterPool ? Pooling.NORM_OF_MEAN_PATCH : Pooling.MEAN_OF_NORMED_PATCHES;
    }
    if (name.equals("map") && !normAfterPool && (withPrefix || prefix() == 0)) {
      return Pooling.ATTENTION;
    }
    String what = "global_pool \"" + name + "\"" + (withPrefix ? " with pool_include_prefix" : "");
    throw TimmReader.unsupported(where, what + (distilled ? " of a distilled model" : ""));
  }

  @Override
  public AttentionPool attentionPool(WeightSource weights, String p) {
    return PoolReader.timm(
        weights,
        p + "attn_pool.",
        new PoolReader.PoolShape(
            width(), blocks.heads(), blocks.hidden(), blocks.activation(), blocks.eps()));
  }

  @Override
  public BlockNames names(String p) {
    return new BlockNames(
        p + "blocks.%d.",
        "norm1",
        List.of("attn.qkv"),
        "attn.proj",
        "norm2",
        "mlp.fc1",
        "mlp.fc2",
        "ls1.gamma",
        "ls2.gamma");
  }

  @Override
  public void requireFit(WeightSource weights, String p) {
    requirePresence(weights, p + "patch_embed.proj.bias", !preNorm, "pre_norm is " + preNorm);
    requirePresence(weights, p + "norm_pre.weight", preNorm, "pre_norm is " + preNorm);
    requirePresence(weights, p + "cls_token", classToken, "class_token is " + classToken);
    requirePresence(weights, p + "reg_token", registers > 0, "reg_tokens is " + registers);
    requirePresence(weights, p + "dist_token", distilled, "distilled is " + distilled);
    for (int layer = 0; layer < blocks.layers(); layer++) {
      String block = p + "blocks." + layer + ".";
      String scale = layerScale ? "init_values is given" : "init_values is None";
      requirePresence(weights, block + "ls1.gamma", layerScale, scale);
      requirePresence(weights, block + "ls2.gamma", layerScale, scale);
      requirePresence(weights, block + "attn.qkv.bias", qkvBias, "qkv_bias is " + qkvBias);
    }
  }

  /** Refuses a tensor that a setting excludes, or the lack of one that it requires. */
  static void requirePresence(WeightSource weights, String tensor, boolean wanted, String setting) {
    if (weights.has(tensor) == wanted) return;
    throw new InputException(
        weights.where(),
        "tensor " + tensor + (wanted ? " is missing" : " has no place") + ", since " + setting,
        "Weights and configuration do not belong together");
  }
}
