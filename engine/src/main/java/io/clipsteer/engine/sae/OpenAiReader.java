// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae;

import io.clipsteer.data.tensor.TensorFile;
import io.clipsteer.engine.Scope;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** OpenAI's sparse_autoencoder: TopK implies layer norm of the input, as in its own loader. */
final class OpenAiReader {
  private OpenAiReader() {}

  static StoredSae read(TensorFile file) {
    String function = file.metadata().getOrDefault("activation", "ReLU");
    try (Scope scope = Scope.open()) {
      SaeTensors tensors = new SaeTensors(file, "encoder.weight", true);
      int d = tensors.width();
      int f = tensors.features();
      boolean top = function.equals("TopK");
      if (!top && !function.equals("ReLU")) {
        throw tensors.bad("activation \"" + function + "\"", "This version reads ReLU and TopK");
      }
      Integer k = top ? (Integer) k(file, tensors) : null;
      boolean tied = !tensors.has("decoder.weight");
      Sae sae =
          new Sae(
                  k == null ? new SaeActivation.Relu() : tensors.topK(k),
                  top ? new InputNormalisation.LayerNorm() : new InputNormalisation.None(),
                  tensors.turned("encoder.weight", d, f),
                  tensors.get("latent_bias", f),
                  tied
                      ? tensors.get("encoder.weight", f, d)
                      : tensors.turned("decoder.weight", f, d),
                  tensors.get("pre_bias", d),
                  true)
              .release(scope);
      return new StoredSae(
          sae, new SaeClaims(SaeFormat.OPENAI, null, null, k, Map.of(), List.of()));
    }
  }

  private static int k(TensorFile file, SaeTensors tensors) {
    String after = file.metadata().getOrDefault("activation_state_dict.postact_fn", "ReLU");
    if (!after.equals("ReLU")) {
      throw tensors.bad("postact_fn \"" + after + "\"", "This version reads ReLU");
    }
    @Nullable String k = file.metadata().get("activation_state_dict.k");
    if (k == null || !k.matches("[1-9]\\d{0,7}")) {
      throw tensors.bad("activation_state_dict.k is " + k, "Fetch the file again");
    }
    return Integer.parseInt(k);
  }
}
