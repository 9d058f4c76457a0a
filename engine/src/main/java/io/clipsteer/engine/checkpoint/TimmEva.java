// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.checkpoint;

import static io.clipsteer.engine.checkpoint.TimmShape.requirePresence;

import io.clipsteer.data.json.JsonObject;
import io.clipsteer.engine.checkpoint.BlockNames.Others;
import io.clipsteer.engine.model.Activation;
import io.clipsteer.engine.model.AttentionPool;
import io.clipsteer.engine.model.PatchGrid;
import io.clipsteer.engine.model.Pooling;
import io.clipsteer.engine.model.PositionResize;
import io.clipsteer.engine.model.Rotary;
import io.clipsteer.engine.model.TowerShape;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * timm's class Eva: EVA-02, DINOv3, Perception Encoder.
 *
 * @param tokens what precedes the patches
 * @param attention how attention is built
 * @param mlp how the MLPs are built
 * @param layerScale whether the blocks' outputs are scaled
 * @param preNorm whether a norm precedes the blocks
 * @param norm whether a norm follows the blocks, before pooling
 * @param fcNorm whether one follows the pooling
 * @param poolHeads heads of attention pooling
 * @param poolHidden width inside its MLP
 * @param pool pooling as timm calls it
 */
record TimmEva(
    PatchGrid patches,
    TowerShape blocks,
    Tokens tokens,
    Attention attention,
    Mlp mlp,
    boolean layerScale,
    boolean preNorm,
    boolean norm,
    boolean fcNorm,
    int poolHeads,
    int poolHidden,
    String pool)
    implements TimmTrunk {

  /** Prefix tokens and learned positions. */
  record Tokens(boolean classToken, int registers, boolean patchesOnly, boolean positions) {}

  /**
   * Attention.
   *
   * @param fused whether query, key and value are one product
   * @param bias whether query and value have biases
   * @param keyBias whether keys have one as well
   * @param norm whether the mix is normed
   * @param pairs whether positions turn neighbouring numbers
   */
  record Attention(boolean fused, boolean bias, boolean keyBias, boolean norm, boolean pairs) {}

  /**
   * MLPs.
   *
   * @param gated whether they are SwiGLU
   * @param split whether the gate has a product of its own
   * @param norm whether inner values are normed
   */
  record Mlp(boolean gated, boolean split, boolean norm) {}

  /** Arguments whose every other value than timm's default is computed by other code. */
  private static final List<String> DEFAULT_FALSE =
      List.of("qk_norm", "attn_only_layer_scale", "use_post_norm", "use_naflex", "dynamic_img_pad");

  /** Arguments for which timm takes null as their absence or default. */
  private static final String[] NULLABLE = {
    "init_values", "use_post_transformer_norm", "use_fc_norm", "attn_pool_num_heads",
    "attn_pool_mlp_ratio", "ref_feat_shape", "num_kv_heads", "rope_mrope_section",
    "rope_shift_coords", "rope_jitter_coords", "rope_rescale_coords", "norm_layer"
  };

  /**
   * The name's arguments, changed by {@code args}.
   *
   * @param size default of the image's side
   */
  static TimmEva of(TimmNames name, JsonObject args, int size, String defaultPool) {
    refuseOthers(name, args);
    args.nullMeansAbsent(NULLABLE);
    args.refuse("norm_layer", args.names("norm_layer"), "timm takes no text there");
    int patch = args.side("patch_size", name.integer("patch_size"), 1 << 10);
    int image = args.side("img_size", size, 1 << 14);
    if (patch > image) throw args.bad("patches of " + patch + " in " + image, "Give patch_size");
    int width = args.integer("embed_dim", name.integer("embed_dim"), 1, 1 << 16);
    int heads = args.integer("num_heads", name.integer("num_heads"), 1, 1 << 12);
    if (width % heads != 0) {
      throw args.bad(width + " wide for " + heads + " heads", "Give embed_dim and num_heads");
    }
    double ratio = args.number("mlp_ratio", name.number("mlp_ratio"), 0.1, 64);
    int align = args.integer("swiglu_align_to", name.integer("swiglu_align_to"), 0, 1 << 16);
    boolean gated = flag(name, args, "swiglu_mlp");
    boolean inner = flag(name, args, "scale_mlp");
    boolean split = inner || align > 0;
    int hidden = (int) (width * ratio);
    if (gated && split && align > 0) hidden += Math.floorMod(-hidden, align);
    String pool = args.text("global_pool", defaultPool);
    boolean fcNorm = flagOr(name, args, "use_fc_norm", pool.equals("avg"));
    boolean positions = flag(name, args, "use_abs_pos_emb");
    Rotary rotary = rotary(name, args);
    if (rotary != null && width / heads % 4 != 0) {
      throw args.bad("heads " + width / heads + " wide cannot be turned", "Give num_heads");
    }
    boolean half = flag(name, args, "rope_rotate_half");
    var tokens =
        new Tokens(
            flag(name, args, "class_token"),
            args.integer("num_reg_tokens", name.integer("num_reg_tokens"), 0, 1 << 10),
            flag(name, args, "no_embed_class"),
            positions);
    TimmReader.refuseRegistersAlone(tokens.classToken, tokens.registers, args.where());
    PositionResize resize =
        positions || rotary == null ? PositionResize.NONE : PositionResize.ROTARY;
    int defaultHeads = (int) poolDefault(name, args, "attn_pool_num_heads", heads);
    int poolHeads = args.integer("attn_pool_num_heads", defaultHeads, 1, 1 << 12);
    double defaultRatio = poolDefault(name, args, "attn_pool_mlp_ratio", ratio);
    double poolRatio = args.number("attn_pool_mlp_ratio", defaultRatio, 0.1, 64);
    return new TimmEva(
        new PatchGrid(patch, image, resize),
        new TowerShape(
            width,
            args.integer("depth", name.integer("depth"), 1, 1000),
            heads,
            hidden,
            gated ? Activation.SWIGLU : Activation.GELU,
            TimmShape.eps(name, args),
            rotary),
        tokens,
        attention(name, args, rotary != null && !half),
        new Mlp(gated, split, inner),
        layerScale(name, args),
        flag(name, args, "use_pre_transformer_norm"),
        flagOr(name, args, "use_post_transformer_norm", !fcNorm),
        fcNorm,
        poolHeads,
        (int) (width * poolRatio),
        pool);
  }

  /** A number of attention pooling: null in {@code args}, or of the name, means the blocks' own. */
  private static double poolDefault(TimmNames name, JsonObject args, String field, double blocks) {
    Double own = args.names(field) ? null : name.numberOrNull(field);
    return own == null ? blocks : own;
  }

  private static boolean flag(TimmNames name, JsonObject args, String field) {
    return args.flag(field, name.flag(field));
  }

  private static boolean flagOr(TimmNames name, JsonObject args, String field, boolean otherwise) {
    Boolean own = args.names(field) ? null : name.flagOrNull(field);
    return args.flag(field, own == null ? otherwise : own);
  }

  private static void refuseOthers(TimmNames name, JsonObject args) {
    if (!name.text("other").isEmpty()) {
      throw TimmReader.unsupported(args.where(), "timm builds it with " + name.text("other"));
    }
    for (String field : DEFAULT_FALSE) {
      args.refuse(field, args.flag(field, false), "not computed here");
    }
    args.refuse("in_chans", args.integer("in_chans", 3, 1, 1 << 10) != 3, "not RGB");
    args.flag("dynamic_img_size", false); // the tower takes what its positions allow
  }

  private static boolean layerScale(TimmNames name, JsonObject args) {
    if (!args.names("init_values")) return name.numberOrNull("init_values") != null;
    boolean given = args.has("init_values");
    if (given) args.number("init_values", 0, -1e6, 1e6);
    else args.get("init_values");
    return given;
  }

  private static Attention attention(TimmNames name, JsonObject args, boolean pairs) {
    String type = args.text("attn_type", name.text("attn_type"));
    // Every other text than "rope" is EvaAttention in timm.
    args.refuse("attn_type", !type.equals("eva") && !type.equals("rope"), "known are eva and rope");
    boolean bias = flag(name, args, "qkv_bias");
    return new Attention(
        flag(name, args, "qkv_fused"),
        bias,
        bias && type.equals("rope"),
        flag(name, args, "scale_attn_inner"),
        pairs);
  }

  private static @Nullable Rotary rotary(TimmNames name, JsonObject args) {
    boolean used = flag(name, args, "use_rot_pos_emb");
    String type = args.text("rope_type", name.text("rope_type"));
    double theta = args.number("rope_temperature", name.number("rope_temperature"), 1e-3, 1e9);
    double offset = args.number("rope_grid_offset", name.number("rope_grid_offset"), -1e3, 1e3);
    String indexing = args.text("rope_grid_indexing", name.text("rope_grid_indexing"));
    int reference = args.names("ref_feat_shape") ? 0 : name.integer("ref_feat_shape");
    if (args.has("ref_feat_shape")) reference = args.side("ref_feat_shape", 0, 1 << 14);
    else args.get("ref_feat_shape");
    if (!used) return null;
    boolean columns = indexing.equals("xy");
    args.refuse("rope_grid_indexing", !columns && !indexing.equals("ij"), "known are ij and xy");
    if (type.equals("cat")) return new Rotary.Grid(theta, columns, offset, reference);
    args.refuse("rope_type", !type.equals("dinov3"), "known are cat and dinov3");
    args.refuse("rope_grid_offset", offset != 0, "another offset than dinov3's");
    args.refuse("rope_grid_indexing", columns, "another order than dinov3's");
    return new Rotary.Centred(theta);
  }

  @Override
  public boolean classToken() {
    return tokens.classToken;
  }

  @Override
  public boolean distilled() {
    return false;
  }

  @Override
  public int registers() {
    return tokens.registers;
  }

  @Override
  public boolean patchesOnly() {
    return tokens.patchesOnly;
  }

  @Override
  public boolean positions() {
    return tokens.positions;
  }

  @Override
  public @Nullable String finalNorm() {
    return norm ? "norm" : fcNorm ? "fc_norm" : null;
  }

  @Override
  public Pooling pooling(String name, Object where) {
    if (norm && fcNorm) throw TimmReader.unsupported(where, "a norm before and after the pooling");
    return switch (name) {
      case "token" -> {
        if (!classToken()) throw TimmReader.unsupported(where, "global_pool of no class token");
        yield Pooling.CLS;
      }
      case "avg" -> fcNorm ? Pooling.NORM_OF_MEAN_PATCH : Pooling.MEAN_OF_NORMED_PATCHES;
      case "map" -> {
        if (fcNorm) throw TimmReader.unsupported(where, "a norm after attention pooling");
        yield Pooling.ATTENTION;
      }
      default -> throw TimmReader.unsupported(where, "global_pool \"" + name + "\"");
    };
  }

  @Override
  public AttentionPool attentionPool(WeightSource weights, String p) {
    if (width() % poolHeads != 0) {
      throw TimmReader.unsupported(
          weights.where(), "attention pooling with " + poolHeads + " heads of " + width());
    }
    return PoolReader.timm(
        weights,
        p + "attn_pool.",
        new PoolReader.PoolShape(width(), poolHeads, poolHidden, Activation.GELU, blocks.eps()));
  }

  @Override
  public BlockNames names(String p) {
    boolean separate = attention.fused && attention.bias && !attention.keyBias;
    return new BlockNames(
        p + "blocks.%d.",
        "norm1",
        attention.fused
            ? List.of("attn.qkv")
            : List.of("attn.q_proj", "attn.k_proj", "attn.v_proj"),
        "attn.proj",
        "norm2",
        mlp.gated && mlp.split ? "mlp.fc1_g+mlp.fc1_x" : "mlp.fc1",
        "mlp.fc2",
        "gamma_1",
        "gamma_2",
        new Others(
            separate ? List.of("attn.q_bias", "attn.k_bias", "attn.v_bias") : List.of(),
            "none",
            "attn.norm",
            "mlp.norm",
            attention.pairs));
  }

  @Override
  public void requireFit(WeightSource weights, String p) {
    requirePresence(weights, p + "patch_embed.proj.bias", !preNorm, "pre-norm is " + preNorm);
    requirePresence(weights, p + "norm_pre.weight", preNorm, "pre-norm is " + preNorm);
    requirePresence(weights, p + "reg_token", registers() > 0, "registers are " + registers());
    requirePresence(weights, p + "cls_token", classToken(), "class_token is " + classToken());
    requirePresence(weights, p + "pos_embed", positions(), "use_abs_pos_emb is " + positions());
    for (int layer = 0; layer < blocks.layers(); layer++) {
      String block = p + "blocks." + layer + ".";
      String bias = "qkv_bias is " + attention.bias;
      boolean fused = attention.fused;
      boolean separate = fused && attention.bias && !attention.keyBias;
      requirePresence(weights, block + "attn.q_bias", separate, bias);
      requirePresence(weights, block + "attn.v_bias", separate, bias);
      requirePresence(weights, block + "attn.k_bias", false, "keys have no bias");
      requirePresence(weights, block + "attn.qkv.bias", fused && attention.keyBias, bias);
      requirePresence(weights, block + "attn.q_proj.bias", !fused && attention.bias, bias);
      requirePresence(weights, block + "attn.k_proj.bias", !fused && attention.keyBias, bias);
      requirePresence(weights, block + "attn.v_proj.bias", !fused && attention.bias, bias);
      requirePresence(
          weights,
          block + "attn.norm.weight",
          attention.norm,
          "scale_attn_inner is " + attention.norm);
      requirePresence(weights, block + "mlp.norm.weight", mlp.norm, "scale_mlp is " + mlp.norm);
      String scale = layerScale ? "init_values is given" : "init_values is None";
      requirePresence(weights, block + "gamma_1", layerScale, scale);
      requirePresence(weights, block + "gamma_2", layerScale, scale);
    }
  }
}
