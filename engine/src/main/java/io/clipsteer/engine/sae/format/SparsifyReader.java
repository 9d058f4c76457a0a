// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae.format;

import io.clipsteer.data.json.JsonObject;
import io.clipsteer.data.tensor.SafeTensors;
import io.clipsteer.data.tensor.TensorFile;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.Sae;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** sparsify's folders: {@code cfg.json} and {@code sae.safetensors}. */
final class SparsifyReader {
  static final String CONFIG = "cfg.json";
  static final String WEIGHTS = "sae.safetensors";

  /** sparsify's own default. */
  private static final int DEFAULT_K = 32;

  private SparsifyReader() {}

  static StoredSae read(Path folder) {
    JsonObject config = JsonObject.read(folder.resolve(CONFIG));
    String function = config.text("activation", "topk");
    if (!function.equals("topk")) {
      throw config.bad("activation \"" + function + "\"", "This version reads topk");
    }
    for (String strange : List.of("transcode", "skip_connection", "signed")) {
      if (config.flag(strange, false)) {
        throw config.bad(
            strange + " is true: " + (strange.equals("signed") ? "not a plain SAE" : "no SAE"),
            "This version reads sparsify's plain TopK SAEs, no transcoders and no skip SAEs");
      }
    }
    Integer claimed = SaeTensors.kOrNull(config, "k");
    int k = claimed == null ? DEFAULT_K : claimed;
    int latents = config.integer("num_latents", 0, 0, 1 << 24);
    Integer expansion = SaeTensors.kOrNull(config, "expansion_factor");
    List<String> notes = new ArrayList<>();
    String hook = hook(config, folder, notes);
    String model = config.toldText("model_name");
    try (TensorFile file = SafeTensors.open(folder.resolve(WEIGHTS));
        Scope scope = Scope.open()) {
      SaeTensors tensors = new SaeTensors(file, "encoder.weight", true);
      int d = tensors.width();
      int f = tensors.features();
      if (!config.names("d_in")) throw config.wrong("d_in", "a positive whole number");
      SaeTensors.agree(config, "d_in", d);
      config.refuseUnread(HarmlessFields.SPARSIFY);
      long expected = latents == 0 && expansion != null ? (long) d * expansion : latents;
      if (expected != 0 && expected != f) {
        throw config.bad(
            "num_latents and expansion_factor say "
                + expected
                + " features, but the weights have "
                + f,
            "Restore the file");
      }
      Sae sae =
          new Sae(
              tensors.topK(k),
              new InputNormalisation.None(),
              tensors.turned("encoder.weight", d, f),
              tensors.get("encoder.bias", f),
              tensors.get("W_dec", f, d),
              tensors.get("b_dec", d),
              true);
      notes.addAll(tensors.refuseUnused(Set.of()));
      return new StoredSae(
          sae.release(scope), new SaeClaims(SaeFormat.SPARSIFY, hook, model, k, Map.of(), notes));
    }
  }

  /** The folder is called after the module whose output is read. */
  private static @Nullable String hook(JsonObject config, Path folder, List<String> notes) {
    String claimed = config.toldText("hook_name");
    if (claimed != null) return HookNames.read(claimed, notes);
    String name = String.valueOf(folder.toAbsolutePath().normalize().getFileName());
    String hook = HookNames.translated(name);
    if (hook.equals(name)) return null;
    notes.add("its hook point, by the name of its folder, is " + hook);
    return hook;
  }
}
