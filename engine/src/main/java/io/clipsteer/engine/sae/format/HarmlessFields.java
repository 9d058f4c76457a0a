// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae.format;

import io.clipsteer.data.json.JsonObject;
import java.util.Set;

/**
 * The written list, by format, of configuration fields that cannot change what an SAE of a kind
 * that is read here computes. Every other field is read, or refused by name. {@code
 * bench/peers/check_sae_fields.py} holds the list against the tools' own classes.
 */
final class HarmlessFields {
  /** SAELens 6: where it ran, and what only its trainers read. */
  static final Set<String> SAELENS_6 =
      JsonObject.fields(
          """
          aux_loss_coefficient decoder_init_norm device jumprelu_bandwidth
          jumprelu_init_threshold jumprelu_sparsity_loss_mode jumprelu_ste_to_input
          jumprelu_tanh_scale l0_coefficient l0_warm_up_steps l1_coefficient l1_warm_up_steps
          lp_norm pre_act_loss_coefficient target_l0 use_sparse_activations
          """);

  /** SAELens 2 to 5, whose training checkpoints hold the whole run: data, optimiser, logging. */
  static final Set<String> SAELENS_BEFORE_6 =
      JsonObject.fields(
          """
          act_store_device adam_beta1 adam_beta2 autocast autocast_lm b_dec_init_method
          cached_activations_path checkpoint_path compile_llm compile_sae context_size
          dataset_path dataset_trust_remote_code dead_feature_estimation_method
          dead_feature_threshold dead_feature_window decoder_heuristic_init
          decoder_heuristic_init_norm decoder_orthogonal_init device eval_batch_size_prompts
          eval_every_n_wandb_logs exclude_special_tokens expansion_factor feature_reinit_scale
          feature_sampling_method feature_sampling_window finetuning_method finetuning_tokens
          from_pretrained_path hf_hook_name hf_hook_name_out hook_eval hook_head_index
          hook_head_index_out hook_layer hook_name hook_name_out hook_point hook_point_eval
          hook_point_head_index hook_point_layer init_encoder_as_decoder_transpose
          is_dataset_tokenized jumprelu_bandwidth jumprelu_init_threshold l1_coefficient
          l1_warm_up_steps llm_compilation_mode log_activations_store_to_wandb
          log_optimizer_state_to_wandb log_to_wandb lp_norm lr lr_decay_steps lr_end
          lr_scheduler_name lr_warm_up_steps model_class_name model_from_pretrained_kwargs
          model_kwargs model_name mse_loss_normalization n_batches_in_buffer n_checkpoints
          n_eval_batches n_restart_cycles neuronpedia_id noise_scale normalize_sae_decoder
          prepend_bos resume run_name sae_compilation_mode sae_lens_training_version
          scale_sparsity_penalty_by_decoder_norm seed seqpos_slice store_batch_size_prompts
          streaming tokens_per_buffer train_batch_size_tokens training_tokens
          use_cached_activations use_ghost_grads verbose wandb_entity wandb_id
          wandb_log_frequency wandb_project resample_batches total_training_tokens
          train_batch_size store_batch_size
          """);

  /** ViT-Prisma: the run, and sizes that the weights tell. */
  static final Set<String> PRISMA =
      JsonObject.fields(
          """
          _custom_hook_point _device _dtype b_dec_init_method cached_activations_path
          checkpoint_path context_size d_out dataset_name dataset_path dataset_train_path
          dataset_val_path dead_feature_threshold dead_feature_window device dtype
          expansion_factor feature_sampling_window from_pretrained_path hook_point
          hook_point_head_index image_size initialization_method is_training l1_coefficient
          layer_out_subtype log_to_wandb lp_norm lr lr_scheduler_name lr_warm_up_steps
          max_grad_norm min_explained_variance min_l0 model_class_name model_path
          n_batches_in_buffer n_checkpoints n_validation_runs num_epochs num_patch num_workers
          out_hook_point out_hook_point_layer seed store_batch_size tokens_per_buffer
          total_training_images total_training_steps total_training_tokens train_batch_size
          transcoder_with_skip_connection use_cached_activations use_ghost_grads verbose
          vit_model_cfg wandb_entity wandb_log_frequency wandb_project
          """);

  /** PatchSAE: the run. */
  static final Set<String> PATCHSAE =
      JsonObject.fields(
          """
          b_dec_init_method batch_size cached_activations_path checkpoint_path class_token
          create_dataloader custom_clip_ckpt_path dataset_path dead_feature_estimation_method
          dead_feature_threshold dead_feature_window device dtype expansion_factor
          feature_reinit_scale feature_sampling_method feature_sampling_window
          from_pretrained_path image_height image_key image_width l1_coefficient label_key
          log_to_wandb lr lr_scheduler_name lr_warm_up_steps max_batch_size_for_vit_forward_pass
          mse_cls_coefficient n_batches_in_store n_checkpoints resample_batches run_name seed
          store_size total_training_tokens use_cached_activations use_ghost_grads wandb_entity
          wandb_log_frequency wandb_project
          """);

  /** saev's configuration: initialisation and optimisation. */
  static final Set<String> SAEV =
      JsonObject.fields(
          """
          ghost_grads l1_coeff n_reinit_samples normalize_w_dec reinit_blend
          reinit_enc_dec_tranpose remove_parallel_grads seed sparsity_coeff use_ghost_grads
          """);

  /** Above it in saev's first line: who wrote it. */
  static final Set<String> SAEV_HEADER = Set.of("cls", "commit", "lib");

  /** saev's activations: losses, and the memory of a threshold that is in the weights. */
  static final Set<String> SAEV_ACTIVATION = Set.of("aux", "key", "kind", "momentum", "sparsity");

  /**
   * dictionary_learning's and sae-for-vlm's trainers; biases are scaled by norm_factor before they
   * save.
   */
  static final Set<String> DICTIONARY_LEARNING =
      JsonObject.fields(
          """
          anneal_start auxk_alpha bandwidth decay_start device group_fractions group_sizes
          group_weights l1_penalty layer lr n_sparsity_updates norm_factor p_end p_start
          resample_steps seed sparsity_function sparsity_penalty sparsity_queue_length
          sparsity_warmup_steps steps target_l0 threshold_beta threshold_start_step top_k_aux
          trainer_class wandb_name warmup_steps
          """);

  /** sparsify: initialisation and loss. */
  static final Set<String> SPARSIFY = Set.of("multi_topk", "normalize_decoder");

  private HarmlessFields() {}
}
