// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae;

import io.clipsteer.data.AtomicFiles;
import io.clipsteer.data.InputException;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.data.tensor.SafeTensors;
import io.clipsteer.data.tensor.StoredTensor;
import io.clipsteer.data.tensor.TensorFile;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * SAELens-style folders: {@code cfg.json} and {@code sae_weights.safetensors} with {@code W_enc}
 * [d,f], {@code b_enc} [f], {@code W_dec} [f,d], {@code b_dec} [d].
 */
public final class SaeFiles {
  private static final String CONFIG = "cfg.json";
  private static final String WEIGHTS = "sae_weights.safetensors";

  private SaeFiles() {}

  /**
   * Writes an SAE; either both files are whole or the folder holds no readable SAE, since the
   * configuration comes last.
   *
   * @param metadata where it belongs: model name, hook name and the like
   */
  public static void write(Path folder, Sae sae, Map<String, Object> metadata) {
    Map<String, Object> config = new LinkedHashMap<>();
    switch (sae.activation()) {
      case SaeActivation.Relu relu -> config.put("architecture", "standard");
      case SaeActivation.TopK top -> {
        config.put("architecture", "topk");
        config.put("k", top.k());
      }
      case SaeActivation.JumpRelu jump -> config.put("architecture", "jumprelu");
    }
    config.put("d_in", sae.width());
    config.put("d_sae", sae.features());
    config.put("dtype", "float32");
    config.put("device", "cpu");
    config.put("apply_b_dec_to_input", sae.subtractsDecoderBias());
    config.put("normalize_activations", sae.normalisation().peerName());
    config.put("reshape_activations", "none");
    config.put("rescale_acts_by_decoder_norm", false);
    config.put("metadata", metadata);
    List<StoredTensor> tensors = new ArrayList<>();
    tensors.add(stored("W_dec", sae.decoder()));
    tensors.add(stored("W_enc", sae.encoder()));
    tensors.add(stored("b_dec", sae.decoderBias()));
    tensors.add(stored("b_enc", sae.encoderBias()));
    try (Scope scope = Scope.open()) {
      if (sae.activation() instanceof SaeActivation.JumpRelu jump) {
        tensors.add(stored("threshold", Tensor.of(jump.thresholds(), sae.features())));
      }
      SafeTensors.write(folder.resolve(WEIGHTS), tensors, Map.of());
    }
    AtomicFiles.writeJson(folder.resolve(CONFIG), config);
  }

  private static StoredTensor stored(String name, Tensor tensor) {
    return new StoredTensor(name, DType.F32, tensor.shape(), tensor.segment());
  }

  /** Throws when a folder says that its SAE belongs to another hook point. */
  public static void checkHook(Path folder, String hookName) {
    JsonNode own = config(folder).path("metadata").path("hook_name");
    if (own.isString() && !own.asString().equals(hookName)) {
      throw new InputException(
          folder.resolve(CONFIG),
          "the SAE belongs to " + own.asString() + ", the run says " + hookName,
          "One of the two files was changed: restore it");
    }
  }

  /** Reads a folder written by {@link #write}; the caller closes the SAE. */
  public static Sae read(Path folder) {
    JsonNode config = config(folder);
    Path where = folder.resolve(CONFIG);
    int d = positive(config, "d_in", where);
    int f = positive(config, "d_sae", where);
    String architecture = text(config, "architecture", "", where);
    int k = architecture.equals("topk") ? positive(config, "k", where) : 0;
    if (k > f) throw new InputException(where, "k is " + k + " of " + f + " features", "Correct k");
    String normalise = text(config, "normalize_activations", "none", where);
    InputNormalisation normalisation =
        switch (normalise) {
          case "none" -> new InputNormalisation.None();
          case "layer_norm" -> new InputNormalisation.LayerNorm();
          default ->
              throw new InputException(
                  where,
                  "normalize_activations \"" + normalise + "\"",
                  "This version reads none and layer_norm");
        };
    boolean subtracts = flag(config, "apply_b_dec_to_input", where);
    try (TensorFile file = SafeTensors.open(folder.resolve(WEIGHTS));
        Scope scope = Scope.open()) {
      return new Sae(
          activation(architecture, k, file, f, where),
          normalisation,
          scope.release(tensor(file, "W_enc", d, f)),
          scope.release(tensor(file, "b_enc", f)),
          scope.release(tensor(file, "W_dec", f, d)),
          scope.release(tensor(file, "b_dec", d)),
          subtracts);
    }
  }

  private static SaeActivation activation(
      String architecture, int k, TensorFile file, int f, Path where) {
    return switch (architecture) {
      case "topk" -> new SaeActivation.TopK(k);
      case "standard" -> new SaeActivation.Relu();
      case "jumprelu" -> new SaeActivation.JumpRelu(tensor(file, "threshold", f).toFloats());
      default ->
          throw new InputException(
              where,
              "architecture \"" + architecture + "\"",
              "This version reads standard, topk and jumprelu");
    };
  }

  private static JsonNode config(Path folder) {
    Path file = folder.resolve(CONFIG);
    try {
      JsonNode node = JsonMapper.shared().readTree(Files.readAllBytes(file));
      if (node == null || !node.isObject()) {
        throw new InputException(file, "not a JSON object", "Name an SAE's folder");
      }
      return node;
    } catch (JacksonException e) {
      throw new InputException(
          file, "not valid JSON: " + e.getOriginalMessage(), "Train or fetch the SAE again", e);
    } catch (IOException e) {
      throw new InputException(
          file, "cannot be read: " + e.getMessage(), "Name a folder with cfg.json", e);
    }
  }

  private static int positive(JsonNode config, String name, Path where) {
    JsonNode value = config.path(name);
    if (!value.isInt() || value.asInt() < 1 || value.asInt() > 1 << 24) {
      throw new InputException(
          where, name + " is " + value + ", not a positive whole number", "Correct it");
    }
    return value.asInt();
  }

  private static String text(JsonNode config, String name, String fallback, Path where) {
    JsonNode value = config.path(name);
    if (value.isMissingNode() || value.isNull()) return fallback;
    if (!value.isString()) {
      throw new InputException(where, name + " is " + value + ", not a text", "Correct it");
    }
    return value.asString();
  }

  /** True where the field is absent. */
  private static boolean flag(JsonNode config, String name, Path where) {
    JsonNode value = config.path(name);
    if (value.isMissingNode() || value.isNull()) return true;
    if (!value.isBoolean()) {
      throw new InputException(where, name + " is " + value + ", not true or false", "Correct it");
    }
    return value.asBoolean();
  }

  private static Tensor tensor(TensorFile file, String name, long... shape) {
    StoredTensor stored = file.get(name);
    if (!Arrays.equals(stored.shape(), shape)) {
      throw new InputException(
          file.path(),
          "tensor " + name + " is " + Arrays.toString(stored.shape()),
          "Expected " + Arrays.toString(shape) + " by " + CONFIG);
    }
    return Tensor.of(stored).to(DType.F32);
  }
}
