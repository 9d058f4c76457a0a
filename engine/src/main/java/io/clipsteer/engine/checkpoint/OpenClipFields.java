// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.checkpoint;

import io.clipsteer.data.json.JsonObject;
import io.clipsteer.engine.model.Activation;
import java.util.List;
import java.util.Set;

/**
 * The fields of open_clip's configurations that both towers have, and the written lists of those
 * that cannot change what is computed (open_clip 3.3.0's CLIPVisionCfg, CLIPTextCfg and CLIP;
 * bench/peers/check_open_clip_timm_fields.py holds the lists against the library).
 */
final class OpenClipFields {
  static final double EPS = 1e-5;

  /** Of {@code model_cfg}: starting values of what the weights hold, and the form of results. */
  static final Set<String> MODEL =
      Set.of("init_logit_scale", "nonscalar_logit_scale", "output_dict");

  /** Of {@code vision_cfg} with open_clip's own tower: training, and other towers' settings. */
  static final Set<String> VISION =
      JsonObject.fields(
          """
          patch_dropout attn_pooler_queries attn_pooler_heads timm_model_name
          timm_model_pretrained timm_pool timm_proj timm_proj_bias timm_drop timm_drop_path
          """);

  /** Parts of a block that are not computed. */
  private static final List<String> BLOCK_PARTS =
      List.of(
          "qk_norm",
          "scaled_cosine_attn",
          "scale_heads",
          "scale_attn_inner",
          "scale_attn",
          "scale_fc");

  /** Of {@code vision_cfg} with a trunk of timm's, whose name overrides the own tower's fields. */
  static final Set<String> TRUNK =
      withParts(
          """
          patch_dropout timm_model_pretrained timm_drop timm_drop_path layers width head_width
          mlp_ratio patch_size ls_init_value attentional_pool attn_pooler_queries
          attn_pooler_heads no_ln_pre pos_embed_type final_ln_after_pool pool_type output_tokens
          act_kwargs norm_kwargs block_type
          """);

  /**
   * Of {@code text_cfg}: Hugging Face's text towers, which are refused; the padding id, which only
   * masks of such towers read; {@code final_ln_after_pool}, which open_clip does not pass on.
   */
  static final Set<String> TEXT =
      Set.of(
          "pad_id", "final_ln_after_pool", "hf_model_pretrained", "hf_proj_type", "hf_pooler_type");

  /** Fields of a tower for which open_clip takes null as it takes false, or for its default. */
  private static final String[] NULLABLE =
      """
      ls_init_value act_kwargs norm_kwargs block_type output_tokens attentional_pool no_ln_pre
      final_ln_after_pool embed_cls no_causal_mask proj_bias hf_model_name hf_tokenizer_name
      tokenizer_mode
      """
          .split("\\s+");

  private OpenClipFields() {}

  private static Set<String> withParts(String fields) {
    return HuggingFaceFields.union(JsonObject.fields(fields), Set.copyOf(BLOCK_PARTS));
  }

  /** Refuses blocks and results of another kind than the plain one, of either tower. */
  static void refuseBlocks(JsonObject config) {
    config.nullMeansAbsent(NULLABLE).nullMeansAbsent(BLOCK_PARTS.toArray(String[]::new));
    for (String part : BLOCK_PARTS) {
      config.refuse(part, config.flag(part, false), "a block of another kind");
    }
    // "custom" without any of these parts is the plain block by other code.
    String type = config.text("block_type", "default");
    boolean known = type.equals("default") || type.equals("custom");
    config.refuse("block_type", !known, "known are default and custom");
    config.refuse("output_tokens", config.flag("output_tokens", false), "tokens beside the vector");
  }

  /** Whether the blocks are scaled: the value itself is only where training starts. */
  static void layerScale(JsonObject config, WeightSource weights, String prefix, int layers) {
    boolean scaled = config.has("ls_init_value");
    if (scaled) config.number("ls_init_value", 0, -1e6, 1e6);
    else config.get("ls_init_value");
    for (int layer = 0; layer < layers; layer++) {
      for (String name : List.of("ls_1.gamma", "ls_2.gamma")) {
        TimmShape.requirePresence(
            weights,
            prefix + "resblocks." + layer + "." + name,
            scaled,
            scaled ? "ls_init_value is given" : "ls_init_value is null");
      }
    }
  }

  /** The MLPs' non-linearity by {@code quick_gelu} and {@code act_kwargs}. */
  static Activation activation(JsonObject config, boolean quick) {
    if (!config.has("act_kwargs")) {
      config.get("act_kwargs");
      return quick ? Activation.QUICK_GELU : Activation.GELU;
    }
    JsonObject args = config.object("act_kwargs");
    if (quick) {
      args.refuseUnread(Set.of());
      return Activation.QUICK_GELU;
    }
    String approximate = args.text("approximate", "none");
    boolean tanh = approximate.equals("tanh");
    args.refuse("approximate", !tanh && !approximate.equals("none"), "known are none and tanh");
    args.refuseUnread(Set.of());
    return tanh ? Activation.GELU_TANH : Activation.GELU;
  }

  /** The norms' epsilon by {@code norm_kwargs}. */
  static double eps(JsonObject config) {
    if (!config.has("norm_kwargs")) {
      config.get("norm_kwargs");
      return EPS;
    }
    JsonObject args = config.object("norm_kwargs");
    double eps = args.number("eps", EPS, 0, 1);
    for (String field : List.of("elementwise_affine", "bias")) {
      args.refuse(field, !args.flag(field, true), "norms without weights");
    }
    args.refuseUnread(Set.of());
    return eps;
  }

  /** How texts become ids, by {@code text_cfg}; refuses text towers of Hugging Face's. */
  static Tokenizer.Rules tokenizing(JsonObject config) {
    config.nullMeansAbsent(NULLABLE);
    String model = config.text("hf_model_name", "");
    config.refuse("hf_model_name", !model.isEmpty(), "a text tower of Hugging Face's");
    boolean own = config.text("hf_tokenizer_name", "").isEmpty();
    String mode = config.text("tokenizer_mode", "");
    config.refuse("tokenizer_mode", !own && !mode.isEmpty(), "not known");
    if (!config.names("tokenizer_kwargs")) {
      return own ? Tokenizer.Rules.OPEN_CLIP : Tokenizer.Rules.OPEN_CLIP_BY_HUGGING_FACE;
    }
    JsonObject args = config.object("tokenizer_kwargs");
    TextCleaning cleaning =
        switch (args.text("clean", own ? "lower" : "whitespace")) {
          case "lower" -> TextCleaning.LOWER;
          case "whitespace" -> TextCleaning.WHITESPACE;
          case "canonicalize" -> TextCleaning.CANONICALIZE;
          default -> throw args.wrong("clean", "lower, whitespace or canonicalize");
        };
    String reduction = own ? args.text("reduction_mask", "") : "";
    args.refuse("reduction_mask", !reduction.isEmpty(), "long texts cut at random");
    boolean stripped = !own && args.flag("strip_sep_token", false);
    args.refuseUnread(Set.of());
    Tokenizer.Rules rules =
        own ? Tokenizer.Rules.OPEN_CLIP : Tokenizer.Rules.OPEN_CLIP_BY_HUGGING_FACE;
    return rules.cleaning(cleaning).stripping(stripped);
  }
}
