// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.checkpoint;

import io.clipsteer.data.InputException;
import io.clipsteer.data.tensor.SafeTensors;
import io.clipsteer.data.tensor.StoredTensor;
import io.clipsteer.data.tensor.TensorFile;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.Site;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.engine.model.TextTower;
import io.clipsteer.engine.model.TowerKind;
import io.clipsteer.engine.model.TowerOutput;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.json.JsonMapper;

/**
 * Holds a model against golden values that a reference implementation made from the same weights.
 *
 * <p>A golden folder has {@code golden.safetensors} with {@code input} [b,3,h,w] and any of: {@code
 * resid_blockL} and {@code mlp_out_blockL} [b,t,d] (of the tokens in {@code token_index}, all when
 * absent), {@code pooled}, {@code image_embed}, {@code input_ids} with {@code text_…} of the same
 * kinds, and {@code logits}. Where the file's metadata has {@code texts}, a JSON list, they go
 * through the model's tokenizer, whose ids must be {@code input_ids}.
 */
public final class GoldenCheck {
  /**
   * What was compared.
   *
   * @param errors relative L2 error over each whole tensor, by golden name
   * @param cosines least cosine of a row against the golden row, for the two kinds of embedding
   * @param maxRelError the largest of {@code errors}
   * @param maxLogitDiff largest difference of a logit, or null without golden logits
   */
  public record GoldenErrors(
      Map<String, Double> errors,
      Map<String, Double> cosines,
      double maxRelError,
      @Nullable Double maxLogitDiff) {}

  private static final Pattern BLOCK = Pattern.compile("(text_)?(resid|mlp_out)_block(\\d{1,4})");

  private final ClipModel model;
  private final TensorFile golden;
  private final Map<String, Double> errors = new LinkedHashMap<>();
  private final Map<String, Double> cosines = new LinkedHashMap<>();

  private GoldenCheck(ClipModel model, TensorFile golden) {
    this.model = model;
    this.golden = golden;
  }

  /**
   * Compares.
   *
   * @param folder holds {@code golden.safetensors}
   * @param library text embeddings for the logits of a model without text tower, or null
   */
  public static GoldenErrors run(ClipModel model, Path folder, @Nullable TextLibrary library) {
    Path file = folder.resolve("golden.safetensors");
    if (!Files.isRegularFile(file)) {
      throw new InputException(
          file, "does not exist", "Make it with bench/peers/make_model_golden.py");
    }
    try (TensorFile golden = SafeTensors.open(file);
        Scope scope = Scope.open()) {
      return new GoldenCheck(model, golden).compare(library);
    }
  }

  private GoldenErrors compare(@Nullable TextLibrary library) {
    Tensor image = vision();
    Tensor text = text(library);
    Double logitDiff = null;
    if (golden.tensors().containsKey("logits") && text != null) {
      Double bias = model.logitBias();
      float[] actual =
          image
              .matmul(text.transpose(0, 1))
              .mulInPlace(model.logitScale())
              .addInPlace(bias == null ? 0 : bias)
              .toFloats();
      float[] expected = golden.get("logits").toFloats();
      checkLength("logits", expected, actual);
      double worst = 0;
      for (int i = 0; i < actual.length; i++) {
        double gap = Math.abs(actual[i] - expected[i]);
        // NaN must not pass for a small difference.
        if (!(gap <= worst)) worst = gap;
      }
      logitDiff = worst;
    }
    double worst = 0;
    for (double error : errors.values()) if (!(error <= worst)) worst = error;
    return new GoldenErrors(errors, cosines, worst, logitDiff);
  }

  private Tensor vision() {
    List<String> names = new ArrayList<>();
    Hooks hooks = taps(TowerKind.VISION, names);
    TowerOutput output = model.vision().run(Tensor.of(golden.get("input")), hooks);
    compare("pooled", output.pooled());
    compare("image_embed", output.embedding());
    cosine("image_embed", output.embedding());
    return output.embedding();
  }

  private @Nullable Tensor text(@Nullable TextLibrary library) {
    TextTower tower = model.text();
    if (tower == null || !golden.tensors().containsKey("input_ids")) {
      return library == null
          ? null
          : Tensor.of(library.embeddings(), library.words().size(), library.width());
    }
    long[][] rows = rows();
    TowerOutput output = tower.run(rows, taps(TowerKind.TEXT, new ArrayList<>()));
    compare("text_pooled", output.pooled());
    compare("text_embed", output.embedding());
    cosine("text_embed", output.embedding());
    return output.embedding();
  }

  /**
   * The golden texts' ids by the model's own tokenizer; the golden ids where there are no texts.
   */
  private long[][] rows() {
    StoredTensor ids = golden.get("input_ids");
    long[][] rows = new long[(int) ids.shape()[0]][(int) ids.shape()[1]];
    for (int i = 0; i < rows.length; i++) {
      for (int j = 0; j < rows[i].length; j++) {
        rows[i][j] = (long) ids.get((long) i * rows[i].length + j);
      }
    }
    String stored = golden.metadata().get("texts");
    if (stored == null) return rows;
    Tokenizer tokenizer = model.tokenizer();
    if (tokenizer == null) {
      throw new InputException(
          model.source().path(),
          "no tokenizer lies beside the weights, and the golden values hold texts",
          "Put the tokenizer's files into the folder");
    }
    long[][] own = tokenizer.encode(texts(stored));
    // One text with other ids is a failure, far above every tolerance.
    errors.put("input_ids", Arrays.deepEquals(own, rows) ? 0.0 : 1.0);
    return own.length == rows.length ? own : rows;
  }

  private List<String> texts(String stored) {
    try {
      return List.of(JsonMapper.shared().readValue(stored, String[].class));
    } catch (JacksonException | NullPointerException e) {
      throw new InputException(
          golden.path(), "its texts are no JSON list of texts", "Make the file again", e);
    }
  }

  /** A tap for every golden block tensor of a tower: it compares when the tower comes by. */
  private Hooks taps(TowerKind tower, List<String> names) {
    Hooks hooks = Hooks.NONE;
    for (String name : golden.tensors().keySet()) {
      Matcher m = BLOCK.matcher(name);
      if (!m.matches() || (m.group(1) != null) != (tower == TowerKind.TEXT)) continue;
      Site site = m.group(2).equals("resid") ? Site.RESID_POST : Site.MLP_OUT;
      HookPoint point = new HookPoint(tower, Integer.parseInt(m.group(3)), site);
      hooks = hooks.tap(point, value -> compare(name, tokens(tower, value)));
      names.add(name);
    }
    return hooks;
  }

  private Tensor tokens(TowerKind tower, Tensor value) {
    String index = tower == TowerKind.TEXT ? "text_token_index" : "token_index";
    if (!golden.tensors().containsKey(index)) return value;
    return value.indexSelect(1, Tensor.of(golden.get(index)));
  }

  private void compare(String name, Tensor actual) {
    if (!golden.tensors().containsKey(name)) return;
    float[] expected = golden.get(name).toFloats();
    float[] values = actual.toFloats();
    checkLength(name, expected, values);
    double error = 0;
    double norm = 0;
    for (int i = 0; i < values.length; i++) {
      double gap = (double) values[i] - expected[i];
      error += gap * gap;
      norm += (double) expected[i] * expected[i];
    }
    errors.put(name, Math.sqrt(error / norm));
  }

  private void cosine(String name, Tensor actual) {
    if (!golden.tensors().containsKey(name)) return;
    float[] expected = golden.get(name).toFloats();
    float[] values = actual.toFloats();
    int width = (int) actual.size(1);
    double least = 1;
    for (int at = 0; at < values.length; at += width) {
      double product = 0;
      double a = 0;
      double b = 0;
      for (int j = at; j < at + width; j++) {
        product += (double) values[j] * expected[j];
        a += (double) values[j] * values[j];
        b += (double) expected[j] * expected[j];
      }
      least = Math.min(least, product / Math.sqrt(a * b));
    }
    cosines.put(name, least);
  }

  private void checkLength(String name, float[] expected, float[] actual) {
    if (expected.length != actual.length) {
      throw new InputException(
          golden.path(),
          name + " has " + expected.length + " numbers, the model gives " + actual.length,
          "Golden values and model do not belong together");
    }
  }
}
