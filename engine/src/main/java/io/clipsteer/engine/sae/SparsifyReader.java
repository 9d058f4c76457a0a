// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae;

import io.clipsteer.data.tensor.SafeTensors;
import io.clipsteer.data.tensor.TensorFile;
import io.clipsteer.engine.Scope;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/** sparsify's folders: {@code cfg.json} and {@code sae.safetensors}. */
final class SparsifyReader {
  static final String CONFIG = "cfg.json";
  static final String WEIGHTS = "sae.safetensors";

  private SparsifyReader() {}

  static StoredSae read(Path folder) {
    SaeConfig config = SaeConfig.read(folder.resolve(CONFIG));
    String function = config.text("activation", "topk");
    if (!function.equals("topk")) {
      throw config.unknown("activation \"" + function + "\"", "This version reads topk");
    }
    for (String strange : List.of("transcode", "skip_connection", "signed")) {
      if (config.flag(strange, false)) {
        throw config.unknown(
            strange + " is true: " + (strange.equals("signed") ? "not a plain SAE" : "no SAE"),
            "This version reads sparsify's plain TopK SAEs, no transcoders and no skip SAEs");
      }
    }
    int k = config.size("k");
    try (TensorFile file = SafeTensors.open(folder.resolve(WEIGHTS));
        Scope scope = Scope.open()) {
      SaeTensors tensors = new SaeTensors(file, "encoder.weight", true);
      int d = tensors.width();
      int f = tensors.features();
      config.agree("d_in", d);
      JsonNode latents = config.node().path("num_latents");
      if (!(latents.isInt() && latents.asInt() == 0)) config.agree("num_latents", f);
      Sae sae =
          new Sae(
                  tensors.topK(k),
                  new InputNormalisation.None(),
                  tensors.turned("encoder.weight", d, f),
                  tensors.get("encoder.bias", f),
                  tensors.get("W_dec", f, d),
                  tensors.get("b_dec", d),
                  true)
              .release(scope);
      return new StoredSae(
          sae,
          new SaeClaims(
              SaeFormat.SPARSIFY,
              text(config, "hook_name"),
              text(config, "model_name"),
              k,
              Map.of(),
              List.of()));
    }
  }

  private static @Nullable String text(SaeConfig config, String name) {
    JsonNode value = config.node().path(name);
    return value.isString() ? value.asString() : null;
  }
}
