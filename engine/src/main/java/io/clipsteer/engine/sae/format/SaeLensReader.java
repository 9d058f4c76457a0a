// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae.format;

import io.clipsteer.data.json.JsonObject;
import io.clipsteer.data.tensor.SafeTensors;
import io.clipsteer.data.tensor.TensorFile;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SaeActivation;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * SAELens's folders, of version 6 and of before. In version 6 what is in {@code metadata} never
 * changes the output; before, everything lay in one object.
 */
final class SaeLensReader {
  static final String CONFIG = "cfg.json";
  private static final String SPARSITY = "sparsity.safetensors";
  private static final Pattern VERSION = Pattern.compile("v?(\\d{1,4})([.-].*)?");

  /** SAELens's own default. */
  private static final int DEFAULT_K = 100;

  /**
   * What a configuration says.
   *
   * @param architecture standard, topk or jumprelu
   * @param k of topk; for others the stated value, or null
   */
  private record Setting(
      int d,
      int f,
      String architecture,
      @Nullable Integer k,
      InputNormalisation normalisation,
      boolean subtracts,
      boolean rescaled) {}

  private SaeLensReader() {}

  static StoredSae read(Path folder) {
    JsonObject config = JsonObject.read(folder.resolve(CONFIG));
    JsonObject metadata = config.object("metadata");
    boolean old = isBefore6(config, metadata);
    for (String head : List.of("hook_head_index", "hook_point_head_index")) {
      config.refuse(head, config.has(head), "an SAE on one attention head");
      metadata.refuse(head, metadata.has(head), "an SAE on one attention head");
    }
    JsonObject claimed = old && !config.names("metadata") ? config : metadata;
    List<String> notes = new ArrayList<>();
    Setting setting = setting(config, old);
    SaeClaims claims = claims(claimed, setting.k(), notes);
    metadata.refuseUnread(metadata.names());
    config.refuseUnread(old ? HarmlessFields.SAELENS_BEFORE_6 : HarmlessFields.SAELENS_6);
    try (TensorFile file = SafeTensors.open(folder.resolve(SaeFiles.WEIGHTS));
        Scope scope = Scope.open()) {
      SaeTensors tensors = new SaeTensors(file, "W_enc", false);
      tensors.as("architecture " + setting.architecture());
      SaeTensors.agree(config, "d_in", tensors.width());
      SaeTensors.agree(config, "d_sae", tensors.features());
      boolean tooMany = setting.k() != null && setting.k() > setting.f();
      if (tooMany && setting.architecture().equals("topk")) {
        throw config.bad(
            "k is " + setting.k() + " of " + setting.f() + " features, and architecture is topk",
            "Correct k");
      }
      Sae sae = sae(setting, tensors, notes);
      notes.addAll(tensors.refuseUnused(Set.of()));
      Double active = SparsityFile.l0(folder.resolve(SPARSITY), setting.f());
      if (active != null && !claims.quality().containsKey("l0")) {
        claims = claims.withQuality(Map.of("l0", active));
      }
      return new StoredSae(sae.release(scope), claims.withNotes(notes));
    }
  }

  /** Weights and activation, in the caller's scope. */
  private static Sae sae(Setting setting, SaeTensors tensors, List<String> notes) {
    int d = setting.d();
    int f = setting.f();
    Tensor encoder = tensors.get("W_enc", d, f);
    Tensor encoderBias = tensors.get("b_enc", f);
    Tensor decoder = tensors.get("W_dec", f, d);
    if (tensors.has("scaling_factor") && !tensors.isAll("scaling_factor", 1)) {
      throw tensors.bad(
          "tensor scaling_factor is not 1 everywhere, and SAELens 6 refuses it",
          "Fold it into W_dec and save it again");
    }
    if (setting.rescaled()) {
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
        switch (setting.architecture()) {
          case "topk" -> tensors.topK(setting.k() == null ? DEFAULT_K : setting.k());
          case "jumprelu" -> tensors.jump("threshold");
          default -> new SaeActivation.Relu();
        };
    Tensor bias = tensors.get("b_dec", d);
    return new Sae(
        activation,
        setting.normalisation(),
        encoder,
        encoderBias,
        decoder,
        bias,
        setting.subtracts());
  }

  /** A configuration without a version is one of before version 6. */
  private static boolean isBefore6(JsonObject config, JsonObject metadata) {
    config.nullMeansAbsent(
        "sae_lens_version",
        "reshape_activations",
        "rescale_acts_by_decoder_norm",
        "activation_fn",
        "activation_fn_str",
        "activation_fn_kwargs",
        "finetuning_scaling_factor");
    metadata.nullMeansAbsent("sae_lens_version");
    String version = config.text("sae_lens_version", "");
    if (version.isEmpty()) version = metadata.text("sae_lens_version", "");
    if (version.isEmpty()) return true;
    Matcher parts = VERSION.matcher(version);
    if (!parts.matches()) throw config.bad("sae_lens_version is " + version, "Correct it");
    return Integer.parseInt(parts.group(1)) < 6;
  }

  private static Setting setting(JsonObject config, boolean old) {
    String architecture =
        old ? architectureBefore6(config) : known(config, config.textOrNull("architecture"));
    boolean topK = architecture.equals("topk");
    Integer k = SaeTensors.kOrNull(config, "k");
    if (old) {
      JsonObject arguments = config.object("activation_fn_kwargs");
      Integer own = SaeTensors.kOrNull(arguments, "k");
      arguments.refuseUnread(Set.of());
      if (topK && own == null && config.names("activation_fn_kwargs")) {
        throw config.bad("activation_fn_kwargs has no k, and the SAE is topk", "Add it");
      }
      if (topK && own != null) k = own;
      refuseBefore6(config);
    }
    String precision = config.text("dtype", "float32").replaceFirst("^torch\\.", "");
    if (!Set.of("float32", "float64", "float16", "bfloat16").contains(precision)) {
      throw config.bad(
          "dtype is " + precision + ", which is no floating point type that SAELens knows",
          "Quantised SAEs are not read: multiply by the scale and save them as float32");
    }
    String reshape = config.text("reshape_activations", "none");
    config.refuse("reshape_activations", !reshape.equals("none"), "an SAE on attention heads");
    boolean rescaled = config.flag("rescale_acts_by_decoder_norm", false);
    config.refuse("rescale_acts_by_decoder_norm", rescaled && !topK, "only topk SAEs have it");
    return new Setting(
        integer(config, "d_in"),
        integer(config, "d_sae"),
        architecture,
        topK && k == null ? (Integer) DEFAULT_K : k,
        normalisation(config, old),
        config.flag("apply_b_dec_to_input", true),
        rescaled);
  }

  private static int integer(JsonObject config, String name) {
    Integer value = SaeTensors.kOrNull(config, name);
    if (value == null) throw config.wrong(name, "a positive whole number");
    return value;
  }

  private static String known(JsonObject config, @Nullable String architecture) {
    if (architecture == null) throw config.wrong("architecture", "standard, topk or jumprelu");
    return switch (architecture) {
      case "standard", "topk", "jumprelu" -> architecture;
      case "batchtopk", "matryoshka_batchtopk", "matryoshka" ->
          throw config.bad(
              "architecture \"" + architecture + "\" is a training checkpoint",
              "Save it in SAELens with save_inference_model, which makes it a jumprelu");
      default ->
          throw config.bad(
              "architecture \"" + architecture + "\"",
              "This version reads standard, topk and jumprelu");
    };
  }

  /** Before version 6 a TopK SAE was a standard one with another activation function. */
  private static String architectureBefore6(JsonObject config) {
    String architecture = known(config, config.text("architecture", "standard"));
    String function = config.text("activation_fn_str", "");
    String other = config.text("activation_fn", function);
    if (function.isEmpty()) function = other;
    if (!function.equals(other)) {
      throw config.bad(
          "activation_fn is " + other + " and activation_fn_str " + function, "Remove one");
    }
    if (function.isEmpty() || function.equals("relu")) return architecture;
    if (!function.equals("topk")) {
      throw config.bad(
          "activation_fn_str or activation_fn is \"" + function + "\"",
          "This version reads relu and topk");
    }
    if (architecture.equals("jumprelu")) {
      throw config.bad("architecture is jumprelu and the activation function topk", "Correct one");
    }
    if (!config.names("activation_fn_kwargs")) {
      throw config.bad("activation_fn_kwargs is absent, and the function is topk", "Add it");
    }
    return "topk";
  }

  private static void refuseBefore6(JsonObject config) {
    boolean scaled = config.flag("finetuning_scaling_factor", false);
    config.refuse("finetuning_scaling_factor", scaled, "fold scaling_factor into W_dec");
    for (String name : List.of("hook_name", "hook_point")) {
      String hook = config.toldText(name);
      boolean heads = hook != null && hook.contains("hook_z");
      // SAELens takes such a name for heads where reshape_activations is silent.
      config.refuse(
          name, heads && !config.names("reshape_activations"), "an SAE on attention heads");
    }
  }

  private static InputNormalisation normalisation(JsonObject config, boolean old) {
    String field = "normalize_activations";
    if (old) config.nullMeansAbsent(field);
    JsonNode value = config.get(field);
    // Before version 3 it was a flag.
    boolean flag = old && value != null && value.isBoolean();
    String name =
        value != null && flag
            ? value.asBoolean() ? "expected_average_only_in" : "none"
            : config.text(field, "none");
    return switch (name) {
      case "none" -> new InputNormalisation.None();
      case "layer_norm" -> new InputNormalisation.LayerNorm();
      case "expected_average_only_in" ->
          throw config.bad(
              "normalize_activations \"" + name + "\": its factor is not in the file",
              "Fold it in SAELens with fold_activation_norm_scaling_factor and save again");
      default ->
          throw config.bad(
              "normalize_activations \"" + name + "\"", "This version reads none and layer_norm");
    };
  }

  /** A foreign folder may have anything there; only texts and numbers are taken. */
  private static SaeClaims claims(JsonObject claimed, @Nullable Integer k, List<String> notes) {
    String hook = claimed.toldText("hook_name");
    if (hook == null) hook = claimed.toldText("hook_point");
    Map<String, Double> quality = new HashMap<>();
    for (String name : List.of("l0", "explained_variance", "cosine")) {
      Double value = claimed.toldNumber(name);
      if (value != null) quality.put(name, value);
    }
    Double also = claimed.toldNumber("k");
    boolean whole = also != null && also >= 1 && also <= 1 << 24 && also == Math.rint(also);
    return new SaeClaims(
        SaeFormat.SAELENS,
        HookNames.read(hook, notes),
        claimed.toldText("model_name"),
        claimed.toldText("model_sha256"),
        claimed.toldText("tokens_selection"),
        k == null && also != null && whole ? (Integer) also.intValue() : k,
        quality,
        notes);
  }
}
