// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae;

import io.clipsteer.data.InputException;
import io.clipsteer.data.tensor.TensorFile;
import io.clipsteer.data.tensor.TorchZip;
import io.clipsteer.engine.Scope;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * ViT-Prisma's weights with {@code config.json} beside them; its checkpoints, and PatchSAE's, whose
 * configuration is a Python object inside: that is read as plain values, never run.
 */
final class PrismaReader {
  private static final String CONFIG = "config.json";
  private static final String INSIDE = "cfg";
  private static final String PATCHSAE_CLASS = "sae_training.config.ViTSAERunnerConfig";

  private PrismaReader() {}

  static StoredSae read(TensorFile file) {
    Path beside = file.path().resolveSibling(CONFIG);
    String type = file.metadata().get(INSIDE);
    if (type != null && type.endsWith(PATCHSAE_CLASS)) return patchSae(file, inside(file));
    SaeConfig config;
    if (Files.exists(beside)) {
      config = SaeConfig.read(beside);
    } else {
      config = inside(file);
      // PatchSAE's field, also where the configuration is a plain dictionary.
      if (config.has("block_layer")) return patchSae(file, config);
      if (!config.has("activation_fn_str") && !config.has("normalize_activations")) {
        throw new InputException(
            file.path(),
            "has weights but no configuration, so activation and normalisation are unknown",
            "Put its config.json beside it");
      }
    }
    return prisma(file, config);
  }

  private static StoredSae prisma(TensorFile file, SaeConfig config) {
    String architecture = config.text("architecture", "standard");
    boolean transcoder = config.flag("is_transcoder", false);
    if (transcoder || !architecture.equals("standard")) {
      throw config.unknown(
          "is a " + (transcoder ? "transcoder" : "SAE of architecture \"" + architecture + "\""),
          "This version reads Prisma's standard SAEs");
    }
    // Prisma's own defaults stand where a field is absent.
    String function = config.text("activation_fn_str", "topk");
    String normalise = config.text("normalize_activations", "layer_norm");
    InputNormalisation normalisation =
        switch (normalise.toLowerCase(Locale.ROOT)) {
          case "layer_norm" -> new InputNormalisation.LayerNorm();
          case "none" -> new InputNormalisation.None();
          default ->
              throw config.unknown(
                  "normalize_activations \"" + normalise + "\"",
                  "This version reads none and layer_norm");
        };
    Integer k = function.equals("topk") ? (Integer) k(config) : null;
    try (Scope scope = Scope.open()) {
      SaeTensors tensors = new SaeTensors(file, "W_enc", false);
      config.agree("d_in", tensors.width());
      SaeActivation activation =
          switch (function) {
            case "relu" -> new SaeActivation.Relu();
            case "topk" -> tensors.topK(k == null ? 1 : k);
            default ->
                throw config.unknown(
                    "activation_fn_str \"" + function + "\"", "This version reads relu and topk");
          };
      Sae sae = sae(tensors, activation, normalisation).release(scope);
      SaeClaims claims =
          new SaeClaims(
              SaeFormat.PRISMA, hook(config), plain(config, "model_name"), k, Map.of(), List.of());
      Double active = SparsityFile.l0(sparsity(file.path()), tensors.features());
      if (active != null) claims = claims.withQuality(Map.of("l0", active));
      return new StoredSae(sae, claims.withTokens(tokens(config)));
    }
  }

  private static StoredSae patchSae(TensorFile file, SaeConfig config) {
    try (Scope scope = Scope.open()) {
      SaeTensors tensors = new SaeTensors(file, "W_enc", false);
      Sae sae = sae(tensors, new SaeActivation.Relu(), new InputNormalisation.None());
      JsonNode layer = config.node().path("block_layer");
      String hook =
          layer.isInt() && layer.asInt() >= 0 && "resid".equals(plain(config, "module_name"))
              ? "blocks." + layer.asInt() + ".hook_resid_post"
              : null;
      SaeClaims claims =
          new SaeClaims(
              SaeFormat.PATCHSAE, hook, plain(config, "model_name"), null, Map.of(), List.of());
      return new StoredSae(sae.release(scope), claims);
    }
  }

  private static Sae sae(
      SaeTensors tensors, SaeActivation activation, InputNormalisation normalisation) {
    int d = tensors.width();
    int f = tensors.features();
    return new Sae(
        activation,
        normalisation,
        tensors.get("W_enc", d, f),
        tensors.get("b_enc", f),
        tensors.get("W_dec", f, d),
        tensors.get("b_dec", d),
        true);
  }

  /** Prisma's own name for the file of frequencies beside {@code n_images_7.pt}. */
  private static Path sparsity(Path weights) {
    String name = String.valueOf(weights.getFileName());
    return weights.resolveSibling(name.replaceFirst("\\.pt$", "") + SparsityFile.PRISMA_END);
  }

  private static String tokens(SaeConfig config) {
    if (config.flag("cls_token_only", false)) return "cls";
    return config.flag("use_patches_only", false) ? "patches" : "all";
  }

  private static int k(SaeConfig config) {
    return config.object("activation_fn_kwargs").size("k");
  }

  private static @Nullable String hook(SaeConfig config) {
    JsonNode layer = config.node().path("hook_point_layer");
    // Some of its files have a list of one.
    if (layer.isArray() && layer.size() == 1) layer = layer.get(0);
    String site = plain(config, "layer_subtype");
    if (!layer.isInt() || layer.asInt() < 0 || site == null) return null;
    return "blocks." + layer.asInt() + "." + site;
  }

  private static @Nullable String plain(SaeConfig config, String name) {
    JsonNode value = config.node().path(name);
    return value.isString() ? value.asString() : null;
  }

  /** The plain fields of the configuration inside the file. */
  private static SaeConfig inside(TensorFile file) {
    ObjectNode fields = JsonMapper.shared().createObjectNode();
    ObjectNode arguments = JsonMapper.shared().createObjectNode();
    String prefix = INSIDE + ".";
    String inner = prefix + "activation_fn_kwargs.";
    file.metadata()
        .forEach(
            (name, value) -> {
              if (name.equals(TorchZip.PREAMBLE) || !name.startsWith(prefix)) return;
              if (name.startsWith(inner)) put(arguments, name.substring(inner.length()), value);
              else put(fields, name.substring(prefix.length()), value);
            });
    fields.set("activation_fn_kwargs", arguments);
    return new SaeConfig(fields, file.path());
  }

  private static void put(ObjectNode fields, String name, String value) {
    if (value.matches("-?\\d{1,9}")) fields.put(name, Integer.parseInt(value));
    else if (value.equals("true")) fields.put(name, true);
    else fields.put(name, value);
  }
}
