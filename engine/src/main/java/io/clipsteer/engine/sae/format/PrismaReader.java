// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae.format;

import io.clipsteer.data.json.JsonObject;
import io.clipsteer.data.tensor.TensorFile;
import io.clipsteer.data.tensor.TorchZip;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SaeActivation;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * ViT-Prisma's weights with {@code config.json} beside them; its checkpoints, and PatchSAE's, whose
 * configuration is a Python object inside: that is read as plain values, never run.
 */
final class PrismaReader {
  private static final String CONFIG = "config.json";
  private static final String INSIDE = "cfg";
  private static final String PATCHSAE_CLASS = "sae_training.config.ViTSAERunnerConfig";

  /** A field of PatchSAE's configuration that Prisma's has not. */
  private static final String PATCHSAE_FIELD = "block_layer";

  private static final String FUNCTION = "activation_fn_str";
  private static final String NORMALISATION = "normalize_activations";

  private PrismaReader() {}

  /** Whether a file of weights has a configuration inside or beside it. */
  static boolean hasConfiguration(TensorFile file) {
    return file.metadata().containsKey(TorchZip.CONFIGURATION)
        || Files.exists(file.path().resolveSibling(CONFIG));
  }

  static StoredSae read(TensorFile file) {
    String fields = file.metadata().get(TorchZip.CONFIGURATION);
    JsonObject inside = fields == null ? null : JsonObject.parse(fields, file.path() + " cfg");
    String type = file.metadata().getOrDefault(INSIDE, "");
    // As Prisma: what is inside comes before what is beside it.
    if (inside != null) {
      // PatchSAE's fields tell it where the configuration is a plain dictionary.
      boolean theirs =
          (inside.names(PATCHSAE_FIELD) || inside.names("module_name"))
              && !inside.names("hook_point_layer");
      boolean patch = theirs || type.endsWith(PATCHSAE_CLASS);
      return patch ? patchSae(file, inside) : prisma(file, inside);
    }
    Path beside = file.path().resolveSibling(CONFIG);
    if (Files.exists(beside)) {
      JsonObject config = JsonObject.read(beside);
      if (!config.names(FUNCTION) && !config.names(NORMALISATION)) {
        throw config.bad(
            "has neither trainer, as dictionary_learning's, nor " + FUNCTION + ", as Prisma's",
            "Put the configuration of this SAE beside it");
      }
      return prisma(file, config);
    }
    throw JsonObject.parse("{}", file.path())
        .bad(
            "has weights but no configuration, so activation and normalisation are unknown",
            "Put its config.json beside it");
  }

  private static StoredSae prisma(TensorFile file, JsonObject config) {
    config.nullMeansAbsent("is_transcoder", "cls_token_only", "use_patches_only");
    String architecture = config.text("architecture", "standard");
    boolean transcoder = config.flag("is_transcoder", false);
    if (transcoder || !architecture.equals("standard")) {
      throw config.bad(
          "is a " + (transcoder ? "transcoder" : "SAE of architecture \"" + architecture + "\""),
          "This version reads Prisma's standard SAEs");
    }
    config.refuse("hook_point_head_index", config.has("hook_point_head_index"), "an SAE on a head");
    List<String> notes = new ArrayList<>();
    String function = config.text(FUNCTION, "topk");
    Integer k = k(config, function.equals("topk"));
    InputNormalisation normalisation = normalisation(config);
    String hook = HookNames.read(hook(config), notes);
    String model = config.toldText("model_name");
    String tokens = tokens(config);
    try (Scope scope = Scope.open()) {
      SaeTensors tensors = new SaeTensors(file, "W_enc", false);
      SaeTensors.agree(config, "d_in", tensors.width());
      SaeTensors.agree(config, "d_sae", tensors.features());
      config.refuseUnread(HarmlessFields.PRISMA);
      SaeActivation activation =
          switch (function) {
            case "relu" -> new SaeActivation.Relu();
            case "topk" -> tensors.topK(k == null ? 1 : k);
            default ->
                throw config.bad(
                    "activation_fn_str \"" + function + "\"", "This version reads relu and topk");
          };
      Sae sae = tensors.plain(activation, normalisation, true);
      notes.addAll(tensors.refuseUnused(Set.of()));
      SaeClaims claims =
          new SaeClaims(SaeFormat.PRISMA, hook, model, k, Map.of(), notes).withTokens(tokens);
      Double active = SparsityFile.l0(sparsity(file.path()), tensors.features());
      if (active != null) claims = claims.withQuality(Map.of("l0", active));
      return new StoredSae(sae.release(scope), claims);
    }
  }

  /** Prisma's default is layer_norm; its None, null in JSON, is no normalisation. */
  private static InputNormalisation normalisation(JsonObject config) {
    config.nullMeansAbsent(NORMALISATION);
    String absent = config.names(NORMALISATION) ? "none" : "layer_norm";
    String name = config.text(NORMALISATION, absent);
    return switch (name) {
      case "layer_norm" -> new InputNormalisation.LayerNorm();
      case "none" -> new InputNormalisation.None();
      default ->
          throw config.bad(
              "normalize_activations \"" + name + "\"", "This version reads none and layer_norm");
    };
  }

  private static StoredSae patchSae(TensorFile file, JsonObject config) {
    config.nullMeansAbsent("gated_sae");
    if (config.flag("gated_sae", false)) {
      throw config.bad("is a gated SAE", "This version reads PatchSAE's plain SAEs");
    }
    JsonNode layer = config.get(PATCHSAE_FIELD);
    boolean resid = "resid".equals(config.toldText("module_name"));
    String hook =
        layer != null && layer.isInt() && layer.asInt() >= 0 && resid
            ? "blocks." + layer.asInt() + ".hook_resid_post"
            : null;
    String model = config.toldText("model_name");
    try (Scope scope = Scope.open()) {
      SaeTensors tensors = new SaeTensors(file, "W_enc", false);
      SaeTensors.agree(config, "d_in", tensors.width());
      SaeTensors.agree(config, "d_sae", tensors.features());
      config.refuseUnread(HarmlessFields.PATCHSAE);
      Sae sae = tensors.plain(new SaeActivation.Relu(), new InputNormalisation.None(), true);
      List<String> notes = tensors.refuseUnused(Set.of());
      SaeClaims claims = new SaeClaims(SaeFormat.PATCHSAE, hook, model, null, Map.of(), notes);
      return new StoredSae(sae.release(scope), claims);
    }
  }

  /** Prisma's own name for the file of frequencies beside {@code n_images_7.pt}. */
  private static Path sparsity(Path weights) {
    String name = String.valueOf(weights.getFileName());
    return weights.resolveSibling(name.replaceFirst("\\.pt$", "") + SparsityFile.PRISMA_END);
  }

  private static String tokens(JsonObject config) {
    boolean cls = config.flag("cls_token_only", false);
    boolean patches = config.flag("use_patches_only", false);
    if (cls && patches) {
      throw config.bad("cls_token_only and use_patches_only are both true", "Correct one");
    }
    return cls ? "cls" : patches ? "patches" : "all";
  }

  private static @Nullable Integer k(JsonObject config, boolean topK) {
    JsonObject arguments = config.object("activation_fn_kwargs");
    Integer k = SaeTensors.kOrNull(arguments, "k");
    if (topK && k == null) throw arguments.wrong("k", "a positive whole number");
    arguments.refuseUnread(Set.of());
    return topK ? k : null;
  }

  private static @Nullable String hook(JsonObject config) {
    config.nullMeansAbsent("hook_point_layer");
    JsonNode layer = config.get("hook_point_layer");
    // Some of its files have a list of one.
    if (layer != null && layer.isArray() && layer.size() == 1) layer = layer.get(0);
    String site = config.toldText("layer_subtype");
    if (layer == null || !layer.isInt() || layer.asInt() < 0 || site == null) return null;
    return "blocks." + layer.asInt() + "." + site;
  }
}
