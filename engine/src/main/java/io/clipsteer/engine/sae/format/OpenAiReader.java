// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae.format;

import io.clipsteer.data.tensor.TensorFile;
import io.clipsteer.data.tensor.TorchZip;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SaeActivation;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** OpenAI's sparse_autoencoder: TopK implies layer norm of the input, as in its own loader. */
final class OpenAiReader {
  private static final String ACTIVATION = "activation";
  private static final String K = "activation_state_dict.k";
  private static final String AFTER = "activation_state_dict.postact_fn";

  /** Newer torch repeats the two values under these names. */
  private static final Map<String, String> REPEATED =
      Map.of("activation.k", K, "activation.postact_fn", AFTER);

  /** Counts of training. */
  private static final Set<String> HARMLESS =
      Set.of("stats_last_nonzero", "latents_activation_frequency", "latents_mean_square");

  /** The decoder of a tied SAE, which is its encoder. */
  private static final String TIED = "decoder.linear.weight";

  private OpenAiReader() {}

  static StoredSae read(TensorFile file) {
    String function = file.metadata().getOrDefault(ACTIVATION, "ReLU");
    try (Scope scope = Scope.open()) {
      SaeTensors tensors = new SaeTensors(file, "encoder.weight", true);
      int d = tensors.width();
      int f = tensors.features();
      boolean top = function.equals("TopK");
      if (!top && !function.equals("ReLU")) {
        throw tensors.bad("activation \"" + function + "\"", "This version reads ReLU and TopK");
      }
      tensors.as("activation " + function);
      refuseUnread(tensors);
      Integer k = top ? (Integer) k(tensors) : null;
      Sae sae =
          new Sae(
              k == null ? new SaeActivation.Relu() : tensors.topK(k),
              top ? new InputNormalisation.LayerNorm() : new InputNormalisation.None(),
              tensors.turned("encoder.weight", d, f),
              tensors.get("latent_bias", f),
              decoder(tensors),
              tensors.get("pre_bias", d),
              true);
      List<String> notes = tensors.refuseUnused(HARMLESS);
      return new StoredSae(
          sae.release(scope), new SaeClaims(SaeFormat.OPENAI, null, null, k, Map.of(), notes));
    }
  }

  private static Tensor decoder(SaeTensors tensors) {
    if (!tensors.has(TIED)) {
      return tensors.turned("decoder.weight", tensors.features(), tensors.width());
    }
    if (!tensors.isCopy(TIED, "encoder.weight")) {
      throw tensors.bad(
          "tensor " + TIED + " is not encoder.weight, which it is tied to", "Fetch it again");
    }
    return tensors.get("encoder.weight", tensors.features(), tensors.width());
  }

  /** Every plain value of the state is read, or a copy of one that is. */
  private static void refuseUnread(SaeTensors tensors) {
    Set<String> read = Set.of(ACTIVATION, K, AFTER, TorchZip.IGNORED_GLOBALS);
    tensors
        .metadata()
        .forEach(
            (name, value) -> {
              if (read.contains(name)) return;
              String of = REPEATED.get(name);
              if (of != null && value.equals(tensors.metadata().get(of))) return;
              throw tensors.bad(
                  "the value " + name + " (" + value + ") is not known here",
                  "It may change the output: remove it if it does not");
            });
  }

  private static int k(SaeTensors tensors) {
    String after = tensors.metadata().getOrDefault(AFTER, "ReLU");
    if (!after.equals("ReLU")) {
      throw tensors.bad("postact_fn \"" + after + "\"", "This version reads ReLU");
    }
    @Nullable String k = tensors.metadata().get(K);
    if (k == null || !k.matches("[1-9]\\d{0,7}")) {
      throw tensors.bad(K + " is " + k, "Fetch the file again");
    }
    return Integer.parseInt(k);
  }
}
