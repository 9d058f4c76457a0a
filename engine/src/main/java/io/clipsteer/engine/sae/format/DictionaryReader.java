// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae.format;

import io.clipsteer.data.json.JsonObject;
import io.clipsteer.data.tensor.TensorFile;
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

/** dictionary_learning's {@code ae.pt} with {@code config.json}; sae-for-vlm writes the same. */
final class DictionaryReader {
  private static final String CONFIG = "config.json";

  /** Above it in {@code config.json}; what lies beside it is about data. */
  static final String TRAINER = "trainer";

  private DictionaryReader() {}

  /** Whether the configuration beside a file of weights is dictionary_learning's. */
  static boolean isBeside(Path weights) {
    Path beside = weights.resolveSibling(CONFIG);
    return Files.exists(beside) && JsonObject.read(beside).names(TRAINER);
  }

  static StoredSae read(TensorFile file) {
    JsonObject trainer = trainer(file.path().resolveSibling(CONFIG));
    List<String> notes = new ArrayList<>();
    try (Scope scope = Scope.open()) {
      boolean linear = SaeTensors.named(file).containsKey("encoder.weight");
      SaeTensors tensors = new SaeTensors(file, linear ? "encoder.weight" : "W_enc", linear);
      String type = null;
      String hook = null;
      String model = null;
      Integer k = tensors.has("k") ? (Integer) tensors.count("k") : null;
      if (trainer != null) {
        type = trainer.textOrNull("dict_class");
        agree(trainer, tensors, k);
        hook = HookNames.read(trainer.toldText("submodule_name"), notes);
        model = trainer.toldText("lm_name");
        trainer.refuseUnread(HarmlessFields.DICTIONARY_LEARNING);
      }
      String known = type == null ? guess(tensors, linear) : type;
      tensors.as("dict_class " + known);
      Sae sae = linear ? linear(tensors, known, k, notes) : plain(tensors, known, k, notes);
      // AutoEncoderTopK can use the threshold beside k instead of k.
      notes.addAll(
          tensors.refuseUnused(known.equals("AutoEncoderTopK") ? Set.of("threshold") : Set.of()));
      return new StoredSae(
          sae.release(scope),
          new SaeClaims(SaeFormat.DICTIONARY_LEARNING, hook, model, k, Map.of(), notes));
    }
  }

  /** The configuration of the training; null when there is none. */
  private static @Nullable JsonObject trainer(Path file) {
    if (!Files.exists(file)) return null;
    JsonObject config = JsonObject.read(file);
    if (!config.names(TRAINER)) {
      throw config.bad(
          "it has no trainer, so it does not belong to this SAE of dictionary_learning",
          "Restore the file, or move it away");
    }
    return config.object(TRAINER);
  }

  private static void agree(JsonObject trainer, SaeTensors tensors, @Nullable Integer k) {
    SaeTensors.agree(trainer, "activation_dim", tensors.width());
    SaeTensors.agree(trainer, "dict_size", tensors.features());
    Integer claimed = SaeTensors.kOrNull(trainer, "k");
    if (claimed != null && k != null && !claimed.equals(k)) {
      throw trainer.bad("k is " + claimed + ", but the weights have " + k, "Restore the file");
    }
  }

  /** The class, from the tensors alone. */
  private static String guess(SaeTensors tensors, boolean linear) {
    if (!linear) return tensors.has("k") ? "MatryoshkaBatchTopKSAE" : "JumpReluAutoEncoder";
    if (!tensors.has("k")) return tensors.has("decoder.bias") ? "AutoEncoderNew" : "AutoEncoder";
    if (tensors.has("threshold") && tensors.scalar("threshold") < 0) return "AutoEncoderTopK";
    throw tensors.bad(
        "no dict_class says whether it is an AutoEncoderTopK or a BatchTopKSAE, and their tensors"
            + " are the same",
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
    refuseK(tensors, k, type.equals("AutoEncoder") || adds);
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
    int f = tensors.features();
    boolean jump = type.equals("JumpReluAutoEncoder");
    if (!jump && !type.equals("MatryoshkaBatchTopKSAE")) throw unknown(tensors, type);
    refuseK(tensors, k, jump);
    SaeActivation activation = jump ? tensors.jump("threshold") : batch(tensors, k, notes);
    if (!jump && tensors.has("group_sizes") && tensors.sum("group_sizes") != f) {
      throw tensors.bad(
          "group_sizes are " + tensors.sum("group_sizes") + " of " + f + " features",
          "Fetch the file again");
    }
    return tensors.plain(activation, new InputNormalisation.None(), !jump);
  }

  private static void refuseK(SaeTensors tensors, @Nullable Integer k, boolean strange) {
    if (strange && k != null) {
      throw tensors.bad("has the tensor k, which its class has not", "Correct dict_class");
    }
  }

  private static SaeActivation batch(SaeTensors tensors, @Nullable Integer k, List<String> notes) {
    if (k == null) k = tensors.count("k");
    float threshold = tensors.scalar("threshold");
    if (threshold >= 0) return tensors.jump(threshold);
    notes.add(
        "its threshold was never calibrated, so it is read as TopK with k = "
            + k
            + " (dictionary_learning itself would run it as a ReLU)");
    return tensors.topK(k);
  }

  private static RuntimeException unknown(SaeTensors tensors, String type) {
    return tensors.bad(
        "dict_class is " + type,
        "This version reads AutoEncoder, AutoEncoderNew, AutoEncoderTopK, BatchTopKSAE,"
            + " JumpReluAutoEncoder and MatryoshkaBatchTopKSAE");
  }
}
