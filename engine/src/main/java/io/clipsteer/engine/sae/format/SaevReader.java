// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae.format;

import io.clipsteer.data.json.JsonObject;
import io.clipsteer.data.tensor.TensorFile;
import io.clipsteer.data.tensor.TorchZip;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SaeActivation;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** saev's {@code sae.pt}: a line of JSON, then {@code torch.save}'s archive. */
final class SaevReader {
  private static final int NEWEST = 5;

  /** saev's own default. */
  private static final int DEFAULT_K = 32;

  /**
   * What the header says.
   *
   * @param activation as saev calls it
   * @param k of those that have one
   * @param cfg sizes and what only training needs
   */
  private record Header(String activation, @Nullable Integer k, boolean old, JsonObject cfg) {}

  private SaevReader() {}

  static StoredSae read(TensorFile file) {
    String line = file.metadata().getOrDefault(TorchZip.PREAMBLE, "");
    JsonObject config = JsonObject.parse(line, file.path());
    Header header = header(config);
    List<String> notes = new ArrayList<>();
    if (header.old()) {
      notes.add("a saev file without schema: its encoder subtracts b_dec, as saev then did");
    }
    if (header.activation().equals("TopK")) {
      notes.add("negative values among the k become 0 here; saev keeps them");
    }
    String hook = HookNames.read(config.toldText("hook_name"), notes);
    try (Scope scope = Scope.open()) {
      SaeTensors tensors = new SaeTensors(file, "W_enc", false);
      tensors.as("activation cls " + header.activation());
      agree(header.cfg(), tensors.width(), tensors.features());
      if (header.cfg() != config) header.cfg().refuseUnread(HarmlessFields.SAEV);
      config.refuseUnread(header.old() ? HarmlessFields.SAEV : HarmlessFields.SAEV_HEADER);
      Sae sae =
          tensors.plain(activation(header, tensors), new InputNormalisation.None(), header.old());
      notes.addAll(tensors.refuseUnused(Set.of()));
      return new StoredSae(
          sae.release(scope),
          new SaeClaims(SaeFormat.SAEV, hook, null, header.k(), Map.of(), notes));
    }
  }

  private static SaeActivation activation(Header header, SaeTensors tensors) {
    return switch (header.activation()) {
      case "Relu" -> new SaeActivation.Relu();
      case "TopK" -> {
        int k = k(header.k());
        if (k <= tensors.features()) yield tensors.topK(k);
        throw tensors.bad(
            "top_k is " + k + " of " + tensors.features() + " features", "Correct it");
      }
      // Theirs: without a positive threshold, whatever is positive.
      case "BatchTopK" -> tensors.jump(Math.max(0, tensors.scalar("activation.threshold")));
      default ->
          throw tensors.bad(
              "activation cls \"" + header.activation() + "\"",
              "This version reads Relu, TopK and BatchTopK");
    };
  }

  private static void agree(JsonObject cfg, int d, int f) {
    SaeTensors.agree(cfg, "d_model", d);
    SaeTensors.agree(cfg, "d_vit", d);
    SaeTensors.agree(cfg, "d_sae", f);
    Integer expansion = SaeTensors.kOrNull(cfg, "exp_factor");
    if (expansion != null && (long) expansion * d != f) {
      throw cfg.bad("exp_factor is " + expansion + " for " + f + " features", "Restore the file");
    }
  }

  private static Header header(JsonObject config) {
    if (!config.names("schema")) {
      if (!config.has("d_vit")) {
        throw config.bad(
            "its first line has neither schema nor d_vit", "Name a file that saev wrote");
      }
      return new Header("Relu", null, true, config);
    }
    Integer claimed = config.integerOrNull("schema", 1, Integer.MAX_VALUE);
    int schema = claimed == null ? 0 : claimed;
    if (schema > NEWEST) {
      throw config.bad("saev schema " + schema, "This version reads schemas up to " + NEWEST);
    }
    if (!config.names("cfg")) throw config.wrong("cfg", "an object");
    JsonObject cfg = config.object("cfg");
    if (schema == 1) {
      config.nullMeansAbsent("cls");
      String type = config.text("cls", "");
      // Schema 1 has two forms; in the older one the class names the activation.
      if (List.of("Relu", "TopK", "BatchTopK").contains(type)) {
        Integer k = SaeTensors.kOrNull(cfg, "top_k");
        return new Header(type, type.equals("Relu") ? null : k(k), false, cfg);
      }
      if (!cfg.names("activation")) return new Header("TopK", DEFAULT_K, false, cfg);
    }
    if (!cfg.names("activation")) throw cfg.wrong("activation", "an object");
    JsonObject activation = cfg.object("activation");
    String name = activation.textOrNull("cls");
    if (name == null) throw activation.wrong("cls", "a text");
    if (!activation.names("params")) throw activation.wrong("params", "an object");
    JsonObject parameters = activation.object("params");
    Integer k = SaeTensors.kOrNull(parameters, "top_k");
    parameters.refuseUnread(HarmlessFields.SAEV_ACTIVATION);
    activation.refuseUnread(Set.of());
    return new Header(name, name.equals("Relu") ? null : k(k), false, cfg);
  }

  private static int k(@Nullable Integer claimed) {
    return claimed == null ? DEFAULT_K : claimed;
  }
}
