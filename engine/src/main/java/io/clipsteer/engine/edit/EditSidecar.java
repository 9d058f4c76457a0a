// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.edit;

import io.clipsteer.data.InputException;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.data.tensor.SafeTensors;
import io.clipsteer.data.tensor.StoredTensor;
import io.clipsteer.data.tensor.TensorFile;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.TokenSelection;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.LongStream;
import org.apiguardian.api.API;

/**
 * A compiled edit as a safetensors file: {@code encoder} [d,k] or [d,f], {@code bias} [k] or [f],
 * {@code thresholds}, {@code values} [k], {@code decoder} [k,d] and {@code units} I64 [k];
 * docs/protocol.md defines the metadata.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class EditSidecar {
  private static final String FORMAT = "clipsteer-edit";
  private static final String VERSION = "3";
  private static final String LAYER_NORM = "layer_norm";

  private EditSidecar() {}

  /**
   * Writes an edit that is on the CPU.
   *
   * @param notes more metadata, as the model's hash
   */
  public static void write(CompiledEdit edit, Path file, Map<String, String> notes) {
    Map<String, String> metadata = new TreeMap<>(notes);
    metadata.put("format", FORMAT);
    metadata.put("version", VERSION);
    metadata.put("hook_point", edit.site().point().peerName());
    metadata.put("tokens", edit.site().tokens().selection().name());
    metadata.put("prefix_tokens", Integer.toString(edit.site().prefixTokens()));
    metadata.put("normalisation", edit.layerNorm() ? LAYER_NORM : "none");
    metadata.put("rule", edit.rule().name().toLowerCase(Locale.ROOT));
    metadata.put("top_k", Integer.toString(edit.topK()));
    CompiledEdit.Rows rows = edit.rows();
    long[] ids = edit.units().stream().mapToLong(Integer::longValue).toArray();
    try (Scope scope = Scope.open()) {
      Tensor units = Tensor.of(ids, ids.length);
      List<StoredTensor> tensors = new ArrayList<>();
      tensors.add(new StoredTensor("units", DType.I64, units.shape(), units.segment()));
      tensors.add(stored("encoder", rows.encoder()));
      tensors.add(stored("bias", rows.bias()));
      tensors.add(stored("thresholds", rows.thresholds()));
      tensors.add(stored("decoder", rows.decoder()));
      tensors.add(stored("values", rows.values()));
      SafeTensors.write(file, tensors, metadata);
    }
  }

  private static StoredTensor stored(String name, Tensor tensor) {
    return new StoredTensor(name, DType.F32, tensor.shape(), tensor.segment());
  }

  /**
   * Reads an edit that {@link #write} wrote; the caller closes it.
   *
   * @throws InputException when the file is no edit, or damaged
   */
  public static CompiledEdit read(Path file) {
    try (TensorFile stored = SafeTensors.open(file);
        Scope scope = Scope.open()) {
      Map<String, String> notes = stored.metadata();
      if (!FORMAT.equals(notes.get("format")) || !VERSION.equals(notes.get("version"))) {
        throw new InputException(
            file,
            "is no edit of this version",
            "Name a file that clipsteer export --to sidecar wrote, or export the edit again");
      }
      String normalisation = notes.getOrDefault("normalisation", "");
      if (!normalisation.equals(LAYER_NORM) && !normalisation.equals("none")) {
        throw damaged(file, "normalisation");
      }
      long[] shape = stored.get("encoder").shape();
      if (shape.length != 2) throw damaged(file, "encoder");
      long[] ids = units(stored);
      int topK = number(file, notes, "top_k");
      long k = ids.length;
      boolean fits =
          topK == 0
              ? shape[1] == k
              : topK <= shape[1] && LongStream.of(ids).allMatch(id -> id < shape[1]);
      if (!fits) throw damaged(file, "top_k");
      long d = shape[0];
      return new CompiledEdit(
          EditSite.of(
              HookPoint.parse(notes.getOrDefault("hook_point", "")),
              TokenSelection.parse(notes.getOrDefault("tokens", "")),
              number(file, notes, "prefix_tokens")),
          normalisation.equals(LAYER_NORM),
          topK,
          LongStream.of(ids).mapToObj(Math::toIntExact).toList(),
          rule(file, notes.getOrDefault("rule", "")),
          new CompiledEdit.Rows(
                  tensor(stored, "encoder", shape),
                  tensor(stored, "bias", shape[1]),
                  tensor(stored, "thresholds", k),
                  tensor(stored, "decoder", k, d),
                  tensor(stored, "values", k))
              .map(scope::release));
    }
  }

  private static long[] units(TensorFile file) {
    StoredTensor stored = file.get("units");
    if (stored.dtype() != DType.I64 || stored.shape().length != 1) {
      throw damaged(file.path(), "units");
    }
    long[] ids = Tensor.of(stored).toLongs();
    boolean valid = LongStream.of(ids).allMatch(id -> id >= 0 && id <= Integer.MAX_VALUE);
    if (ids.length == 0 || !valid) throw damaged(file.path(), "units");
    return ids;
  }

  private static int number(Path file, Map<String, String> notes, String key) {
    String text = notes.getOrDefault(key, "");
    if (!text.matches("\\d{1,6}")) throw damaged(file, key);
    return Integer.parseInt(text);
  }

  private static Rule.RuleKind rule(Path file, String text) {
    try {
      return Rule.RuleKind.valueOf(text.toUpperCase(Locale.ROOT));
    } catch (IllegalArgumentException e) {
      throw damaged(file, "rule");
    }
  }

  private static Tensor tensor(TensorFile file, String name, long... shape) {
    StoredTensor stored = file.get(name);
    if (stored.dtype() != DType.F32 || !Arrays.equals(stored.shape(), shape)) {
      throw damaged(file.path(), name);
    }
    return Tensor.of(stored);
  }

  private static InputException damaged(Path file, String what) {
    return new InputException(file, "its " + what + " is not what an edit has", "Export it again");
  }
}
