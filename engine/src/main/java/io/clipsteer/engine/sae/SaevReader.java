// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae;

import io.clipsteer.data.InputException;
import io.clipsteer.data.tensor.TensorFile;
import io.clipsteer.data.tensor.TorchZip;
import io.clipsteer.engine.Scope;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/** saev's {@code sae.pt}: a line of JSON, then {@code torch.save}'s archive. */
final class SaevReader {
  private static final int NEWEST = 5;

  /** What the header says: an activation of saev's, and k for those that have one. */
  private record Header(String activation, @Nullable Integer k, boolean old) {}

  private SaevReader() {}

  static StoredSae read(TensorFile file) {
    String line = file.metadata().getOrDefault(TorchZip.PREAMBLE, "");
    SaeConfig config = SaeConfig.parse(line, file.path());
    Header header = header(config);
    List<String> notes = new ArrayList<>();
    if (header.old()) {
      notes.add("a saev file without schema: its encoder subtracts b_dec, as saev then did");
    }
    if (header.activation().equals("TopK")) {
      notes.add("negative values among the k become 0 here; saev keeps them");
    }
    try (Scope scope = Scope.open()) {
      SaeTensors tensors = new SaeTensors(file, "W_enc", false);
      int d = tensors.width();
      int f = tensors.features();
      SaeConfig cfg = config.has("cfg") ? config.object("cfg") : config;
      cfg.agree("d_model", d);
      cfg.agree("d_vit", d);
      cfg.agree("d_sae", f);
      SaeActivation activation =
          switch (header.activation()) {
            case "Relu" -> new SaeActivation.Relu();
            case "TopK" -> tensors.topK(header.k() == null ? 1 : header.k());
            case "BatchTopK" -> {
              // Theirs: without a positive threshold, whatever is positive.
              float threshold = tensors.scalar("activation.threshold");
              yield tensors.jump(Math.max(0, threshold));
            }
            default ->
                throw config.unknown(
                    "activation \"" + header.activation() + "\"",
                    "This version reads Relu, TopK and BatchTopK");
          };
      Sae sae =
          new Sae(
                  activation,
                  new InputNormalisation.None(),
                  tensors.get("W_enc", d, f),
                  tensors.get("b_enc", f),
                  tensors.get("W_dec", f, d),
                  tensors.get("b_dec", d),
                  header.old())
              .release(scope);
      JsonNode hook = config.node().path("hook_name");
      SaeClaims claims =
          new SaeClaims(
              SaeFormat.SAEV,
              hook.isString() ? hook.asString() : null,
              null,
              header.k(),
              Map.of(),
              notes);
      return new StoredSae(sae, claims);
    }
  }

  private static Header header(SaeConfig config) {
    if (!config.has("schema")) {
      if (!config.has("d_vit")) {
        throw new InputException(
            config.where(),
            "its first line has neither schema nor d_vit",
            "Name a file that saev wrote");
      }
      return new Header("Relu", null, true);
    }
    int schema = config.size("schema");
    if (schema > NEWEST) {
      throw config.unknown("saev schema " + schema, "This version reads schemas up to " + NEWEST);
    }
    SaeConfig cfg = config.object("cfg");
    String type = config.text("cls", "");
    // Schema 1 has two forms; in the older one the class names the activation.
    if (schema == 1 && List.of("Relu", "TopK", "BatchTopK").contains(type)) {
      return new Header(type, type.equals("Relu") ? null : topK(cfg), false);
    }
    SaeConfig activation = cfg.object("activation");
    String name = activation.text("cls", schema == 1 ? "TopK" : "");
    SaeConfig parameters = activation.object("params");
    return new Header(name, name.equals("Relu") ? null : topK(parameters), false);
  }

  /** 32 where the file is silent, as in saev. */
  private static int topK(SaeConfig parameters) {
    Integer k = parameters.sizeOrNull("top_k");
    return k == null ? 32 : k;
  }
}
