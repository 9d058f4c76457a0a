// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae;

import io.clipsteer.data.tensor.SafeTensors;
import io.clipsteer.data.tensor.TensorFile;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/** SAELens's folders, of version 6 and of before. */
final class SaeLensReader {
  static final String CONFIG = "cfg.json";
  private static final String SPARSITY = "sparsity.safetensors";

  private SaeLensReader() {}

  static StoredSae read(Path folder) {
    SaeConfig config = SaeConfig.read(folder.resolve(CONFIG));
    int d = config.size("d_in");
    int f = config.size("d_sae");
    String architecture = architecture(config);
    InputNormalisation normalisation = normalisation(config);
    refuseReshaping(config);
    boolean subtracts = config.flag("apply_b_dec_to_input", true);
    Integer k = architecture.equals("topk") ? (Integer) k(config) : config.sizeOrNull("k");
    if (k != null && k > f) {
      throw config.unknown("k is " + k + " of " + f + " features", "Correct k");
    }
    List<String> notes = new ArrayList<>();
    try (TensorFile file = SafeTensors.open(folder.resolve(SaeFiles.WEIGHTS));
        Scope scope = Scope.open()) {
      SaeTensors tensors = new SaeTensors(file, "W_enc", false);
      Tensor encoder = tensors.get("W_enc", d, f);
      Tensor encoderBias = tensors.get("b_enc", f);
      Tensor decoder = tensors.get("W_dec", f, d);
      if (architecture.equals("topk") && config.flag("rescale_acts_by_decoder_norm", false)) {
        // Theirs picks by, and outputs, the pre-activation times the length of the decoder's row.
        Tensor lengths = decoder.norm(1).reshape(f);
        for (float length : lengths.toFloats()) {
          if (length == 0) {
            throw tensors.bad(
                "a row of W_dec is all zeros, and rescale_acts_by_decoder_norm divides by it",
                "Remove that feature");
          }
        }
        encoder = encoder.mul(lengths.reshape(1, f));
        encoderBias = encoderBias.mul(lengths);
        decoder = decoder.div(lengths.reshape(f, 1));
        notes.add("rescale_acts_by_decoder_norm is folded into the weights");
      }
      SaeActivation activation =
          switch (architecture) {
            case "topk" -> tensors.topK(k == null ? f : k);
            case "jumprelu" -> tensors.jump("threshold");
            default -> new SaeActivation.Relu();
          };
      SaeClaims claims = claims(config, k, notes);
      Double active = SparsityFile.l0(folder.resolve(SPARSITY), f);
      if (active != null && !claims.quality().containsKey("l0")) {
        claims = claims.withQuality(Map.of("l0", active));
      }
      Tensor bias = tensors.get("b_dec", d);
      Sae sae =
          new Sae(activation, normalisation, encoder, encoderBias, decoder, bias, subtracts)
              .release(scope);
      return new StoredSae(sae, claims);
    }
  }

  /** standard, topk or jumprelu. */
  private static String architecture(SaeConfig config) {
    String architecture = config.text("architecture", "standard");
    switch (architecture) {
      case "standard", "topk", "jumprelu" -> {}
      case "batchtopk", "matryoshka_batchtopk", "matryoshka" ->
          throw config.unknown(
              "architecture \"" + architecture + "\" is a training checkpoint",
              "Save it in SAELens with save_inference_model, which makes it a jumprelu");
      default ->
          throw config.unknown(
              "architecture \"" + architecture + "\"",
              "This version reads standard, topk and jumprelu");
    }
    // Before version 6 a TopK SAE was a standard one with another activation function.
    String function = config.text("activation_fn_str", config.text("activation_fn", ""));
    switch (function) {
      case "", "relu" -> {}
      case "topk" -> {
        return "topk";
      }
      default ->
          throw config.unknown(
              "activation function \"" + function + "\"", "This version reads relu and topk");
    }
    return architecture;
  }

  private static int k(SaeConfig config) {
    SaeConfig arguments = config.object("activation_fn_kwargs");
    return arguments.has("k") ? arguments.size("k") : config.size("k");
  }

  private static InputNormalisation normalisation(SaeConfig config) {
    JsonNode value = config.node().path("normalize_activations");
    // Before version 3 it was a flag.
    String name =
        value.isBoolean()
            ? value.asBoolean() ? "expected_average_only_in" : "none"
            : config.text("normalize_activations", "none");
    return switch (name.toLowerCase(Locale.ROOT)) {
      case "none" -> new InputNormalisation.None();
      case "layer_norm" -> new InputNormalisation.LayerNorm();
      case "expected_average_only_in" ->
          throw config.unknown(
              "normalize_activations \"" + name + "\": its factor is not in the file",
              "Fold it in SAELens with fold_activation_norm_scaling_factor and save again");
      default ->
          throw config.unknown(
              "normalize_activations \"" + name + "\"", "This version reads none and layer_norm");
    };
  }

  private static void refuseReshaping(SaeConfig config) {
    String reshape = config.text("reshape_activations", "none");
    if (!reshape.equals("none")) {
      throw config.unknown(
          "reshape_activations \"" + reshape + "\": an SAE on attention heads",
          "This version reads SAEs on a residual stream or an MLP's output");
    }
    if (config.flag("finetuning_scaling_factor", false)) {
      throw config.unknown(
          "finetuning_scaling_factor is true", "Fold scaling_factor into W_dec and save it again");
    }
  }

  private static SaeClaims claims(SaeConfig config, @Nullable Integer k, List<String> notes) {
    SaeConfig metadata = config.object("metadata");
    SaeConfig at = config.has("metadata") ? metadata : config;
    // A foreign folder may have anything there; only texts and numbers are taken.
    JsonNode hook = at.node().path("hook_name");
    if (!hook.isString()) hook = at.node().path("hook_point");
    JsonNode model = at.node().path("model_name");
    Map<String, Double> quality = new HashMap<>();
    for (String name : List.of("l0", "explained_variance", "cosine")) {
      JsonNode value = at.node().path(name);
      if (value.isNumber()) quality.put(name, value.asDouble());
    }
    JsonNode hash = at.node().path("model_sha256");
    JsonNode tokens = at.node().path("tokens_selection");
    return new SaeClaims(
        SaeFormat.SAELENS,
        hook.isString() ? hook.asString() : null,
        model.isString() ? model.asString() : null,
        hash.isString() ? hash.asString() : null,
        tokens.isString() ? tokens.asString() : null,
        k == null ? at.sizeOrNull("k") : k,
        quality,
        notes);
  }
}
