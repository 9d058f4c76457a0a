// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.checkpoint;

import io.clipsteer.data.json.JsonObject;
import java.util.HashSet;
import java.util.Set;
import tools.jackson.databind.JsonNode;

/**
 * The fields of transformers' configurations that cannot change what a vision or text tower gives
 * at inference, whatever their value. A field that is neither here nor read is refused by name.
 * {@code bench/peers/check_hf_fields.py} holds the lists against the installed library.
 */
final class HuggingFaceFields {
  /** Written by transformers 2 to 5 into the configuration of any model. */
  private static final Set<String> OF_EVERY_MODEL =
      JsonObject.fields(
          """
          _name_or_path _commit_hash architectures dtype name_or_path torch_dtype
          transformers_version transformers.js_config
          """,
          // What calls return, and how they compute it.
          """
          _attn_implementation _attn_implementation_autoset _attn_implementation_internal
          _experts_implementation_internal _flash_attn_2_enabled _output_attentions
          attn_implementation chunk_size_feed_forward experts_implementation
          gradient_checkpointing low_memory output_attentions output_hidden_states output_past
          return_dict tie_last_hidden_states tf_legacy_loss torchscript use_bfloat16 use_cache
          """,
          // Heads and losses, which clipsteer does not use.
          """
          finetuning_task id2label label2id num_labels problem_type task_specific_params
          tie_encoder_decoder tie_word_embeddings
          """,
          // Tokenizers have files of their own.
          """
          decoder_start_token_id prefix sep_token_id tokenizer_class bos_token_id pad_token_id
          """,
          // Values that weights have before training.
          """
          initializer_factor initializer_range
          """);

  /** What configurations say about the generation of texts. */
  private static final Set<String> OF_GENERATION =
      JsonObject.fields(
          """
          _from_model_config assistant_confidence_threshold assistant_early_exit
          assistant_ensemble_weight assistant_lookbehind bad_words_ids begin_suppress_tokens
          cache_config cache_implementation compile_config constraints
          continuous_batching_config disable_compile diversity_penalty do_sample dola_layers
          early_stopping encoder_no_repeat_ngram_size encoder_repetition_penalty epsilon_cutoff
          eta_cutoff exponential_decay_length_penalty force_words_ids forced_bos_token_id
          forced_eos_token_id guidance_scale is_assistant length_penalty max_cache_len
          max_length max_matching_ngram_size max_new_tokens max_time min_length min_new_tokens
          min_p no_repeat_ngram_size num_assistant_tokens num_assistant_tokens_schedule
          num_beam_groups num_beams num_return_sequences output_logits output_scores
          penalty_alpha prefill_chunk_size prompt_lookup_num_tokens remove_invalid_values
          renormalize_logits repetition_penalty return_dict_in_generate sequence_bias
          speculation_type stop_strings suppress_tokens target_lookbehind temperature
          token_healing top_h top_k top_p typical_p use_mtp watermarking_config
          """);

  /** Dropout acts only in training. */
  private static final Set<String> OF_CLIP_TOWERS = Set.of("attention_dropout", "dropout");

  /** CLIP as a whole, whose projection has the size that the outer configuration names. */
  static final Set<String> CLIP = with("logit_scale_init_value", "eos_token_id");

  static final Set<String> CLIP_TEXT = with(OF_CLIP_TOWERS, "projection_dim");

  static final Set<String> CLIP_VISION = with(OF_CLIP_TOWERS, "projection_dim", "eos_token_id");

  /** The pooler and the decoder are heads. */
  static final Set<String> VIT =
      with(
          """
          attention_probs_dropout_prob hidden_dropout_prob encoder_stride pooler_act
          pooler_output_size eos_token_id
          """);

  /** Includes fields that only DINOv2's backbone class reads. */
  static final Set<String> DINO =
      with(
          """
          attention_probs_dropout_prob hidden_dropout_prob drop_path_rate apply_layernorm
          reshape_hidden_states out_features out_indices _out_features _out_indices stage_names
          eos_token_id
          """,
          // The value before training; the token of masked patches, of which there are none.
          "layerscale_value use_mask_token",
          // In published files of DINOv2 with registers; the library's class has no such fields.
          "interpolate_antialias interpolate_offset");

  /** SigLIP as a whole. */
  static final Set<String> SIGLIP = with("logit_scale_init_value", "eos_token_id");

  /** A side of SigLIP; its class names an end token, and tokenizers have another. */
  static final Set<String> SIGLIP_SIDE = with(OF_CLIP_TOWERS, "eos_token_id");

  /** Positions are shifted, jittered and scaled in training alone. */
  static final Set<String> DINO_V3 =
      with(
          """
          attention_dropout drop_path_rate apply_layernorm reshape_hidden_states out_features
          out_indices _out_features _out_indices stage_names layerscale_value pos_embed_shift
          pos_embed_jitter pos_embed_rescale return_class_token eos_token_id
          """);

  /** Fields that the library writes as null, or takes null for their absence. */
  private static final String[] NULL_IS_NONE =
      """
      pruned_heads cross_attention_hidden_size per_layer_config quantization_config auto_map
      architectures text_config vision_config text_config_dict vision_config_dict
      """
          .split("\\s+");

  private HuggingFaceFields() {}

  /** Fields that are read of a side of CLIP, for a configuration that another one replaces. */
  static final Set<String> READ_OF_CLIP_SIDES =
      JsonObject.fields(
          """
          hidden_size num_hidden_layers num_attention_heads intermediate_size hidden_act
          layer_norm_eps image_size patch_size num_channels max_position_embeddings vocab_size
          eos_token_id model_type pruned_heads is_decoder is_encoder_decoder add_cross_attention
          cross_attention_hidden_size
          """);

  static Set<String> union(Set<String> some, Set<String> others) {
    Set<String> all = new HashSet<>(some);
    all.addAll(others);
    return all;
  }

  private static Set<String> with(String... more) {
    return with(Set.of(), more);
  }

  private static Set<String> with(Set<String> some, String... more) {
    Set<String> all = new HashSet<>(OF_EVERY_MODEL);
    all.addAll(OF_GENERATION);
    all.addAll(some);
    if (more.length > 0) all.addAll(JsonObject.fields(more));
    return Set.copyOf(all);
  }

  /** Refuses fields of any configuration that are harmless with one value only. */
  static void refuseValues(JsonObject config) {
    JsonNode pruned = config.nullMeansAbsent(NULL_IS_NONE).get("pruned_heads");
    config.refuse("pruned_heads", pruned != null && !pruned.isEmpty(), "heads are missing");
    for (String flag : new String[] {"is_decoder", "is_encoder_decoder", "add_cross_attention"}) {
      config.refuse(flag, config.flag(flag, false), "not a tower of CLIP");
    }
    for (String name :
        new String[] {"cross_attention_hidden_size", "per_layer_config", "quantization_config"}) {
      config.refuse(name, config.get(name) != null, "not known");
    }
    config.refuse("auto_map", config.get("auto_map") != null, "code outside transformers");
  }
}
