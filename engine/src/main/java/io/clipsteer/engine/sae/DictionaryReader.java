// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae;

import io.clipsteer.data.tensor.TensorFile;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/** dictionary_learning's {@code ae.pt} with {@code config.json}; sae-for-vlm writes the same. */
final class DictionaryReader {
  private static final String CONFIG = "config.json";

  private DictionaryReader() {}

  static StoredSae read(TensorFile file) {
    Path beside = file.path().resolveSibling(CONFIG);
    SaeConfig trainer = Files.exists(beside) ? SaeConfig.read(beside).object("trainer") : null;
    String type = trainer == null ? null : trainer.textOrNull("dict_class");
    List<String> notes = new ArrayList<>();
    try (Scope scope = Scope.open()) {
      boolean linear = file.tensors().containsKey("encoder.weight");
      SaeTensors tensors = new SaeTensors(file, linear ? "encoder.weight" : "W_enc", linear);
      if (trainer != null) {
        trainer.agree("activation_dim", tensors.width());
        trainer.agree("dict_size", tensors.features());
      }
      String known = type == null ? guess(tensors, linear) : type;
      Integer k = tensors.has("k") ? (Integer) tensors.count("k") : null;
      Sae sae = linear ? linear(tensors, known, k, notes) : plain(tensors, known, k, notes);
      String hook = hook(trainer);
      return new StoredSae(
          sae.release(scope),
          new SaeClaims(SaeFormat.DICTIONARY_LEARNING, hook, model(trainer), k, Map.of(), notes));
    }
  }

  /** The class, from the tensors alone. */
  private static String guess(SaeTensors tensors, boolean linear) {
    if (!linear) return tensors.has("k") ? "MatryoshkaBatchTopKSAE" : "JumpReluAutoEncoder";
    if (!tensors.has("k")) return tensors.has("decoder.bias") ? "AutoEncoderNew" : "AutoEncoder";
    if (tensors.has("threshold") && tensors.scalar("threshold") < 0) return "AutoEncoderTopK";
    throw tensors.bad(
        "is an AutoEncoderTopK or a BatchTopKSAE, which have the same tensors",
        "Put its config.json beside it");
  }

  /** Those whose encoder and decoder are linear layers. */
  private static Sae linear(
      SaeTensors tensors, String type, @Nullable Integer k, List<String> notes) {
    int d = tensors.width();
    int f = tensors.features();
    boolean adds = type.equals("AutoEncoderNew");
    String bias;
    SaeActivation activation;
    switch (type) {
      case "AutoEncoder" -> {
        bias = "bias";
        activation = new SaeActivation.Relu();
      }
      case "AutoEncoderNew" -> {
        bias = "decoder.bias";
        activation = new SaeActivation.Relu();
      }
      case "AutoEncoderTopK" -> {
        bias = "b_dec";
        activation = tensors.topK(tensors.count("k"));
      }
      case "BatchTopKSAE" -> {
        bias = "b_dec";
        activation = batch(tensors, k, notes);
      }
      default -> throw unknown(tensors, type);
    }
    return new Sae(
        activation,
        new InputNormalisation.None(),
        tensors.turned("encoder.weight", d, f),
        tensors.get("encoder.bias", f),
        tensors.turned("decoder.weight", f, d),
        tensors.get(bias, d),
        !adds);
  }

  /** Those with {@code W_enc} and {@code W_dec}. */
  private static Sae plain(
      SaeTensors tensors, String type, @Nullable Integer k, List<String> notes) {
    int d = tensors.width();
    int f = tensors.features();
    boolean jump = type.equals("JumpReluAutoEncoder");
    if (!jump && !type.equals("MatryoshkaBatchTopKSAE")) throw unknown(tensors, type);
    SaeActivation activation = jump ? tensors.jump("threshold") : batch(tensors, k, notes);
    Tensor encoder = tensors.get("W_enc", d, f);
    return new Sae(
        activation,
        new InputNormalisation.None(),
        encoder,
        tensors.get("b_enc", f),
        tensors.get("W_dec", f, d),
        tensors.get("b_dec", d),
        !jump);
  }

  private static SaeActivation batch(SaeTensors tensors, @Nullable Integer k, List<String> notes) {
    float threshold = tensors.scalar("threshold");
    if (threshold >= 0) return tensors.jump(threshold);
    if (k == null) throw tensors.bad("has neither threshold nor k", "Fetch the file again");
    notes.add(
        "its threshold was never calibrated, so it is read as TopK with k = "
            + k
            + " (dictionary_learning itself would run it as a ReLU)");
    return tensors.topK(k);
  }

  private static RuntimeException unknown(SaeTensors tensors, String type) {
    return tensors.bad(
        "is a " + type,
        "This version reads AutoEncoder, AutoEncoderNew, AutoEncoderTopK, BatchTopKSAE,"
            + " JumpReluAutoEncoder and MatryoshkaBatchTopKSAE");
  }

  private static @Nullable String hook(@Nullable SaeConfig trainer) {
    if (trainer == null) return null;
    JsonNode name = trainer.node().path("submodule_name");
    return name.isString() ? name.asString() : null;
  }

  private static @Nullable String model(@Nullable SaeConfig trainer) {
    if (trainer == null) return null;
    JsonNode name = trainer.node().path("lm_name");
    return name.isString() ? name.asString() : null;
  }
}
