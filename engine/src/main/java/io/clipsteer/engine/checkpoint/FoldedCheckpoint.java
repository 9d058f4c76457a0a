// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.checkpoint;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.folder.WorkFolder;
import io.clipsteer.data.json.JsonFile;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.data.tensor.SafeTensors;
import io.clipsteer.data.tensor.StoredTensor;
import io.clipsteer.data.tensor.TensorFile;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.edit.AffineEdit;
import io.clipsteer.engine.edit.CompiledEdit;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.Pooling;
import io.clipsteer.engine.model.TokenSelection;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * A copy of a checkpoint whose weights hold an edit, so that any program that reads the checkpoint
 * runs the edited model. The two tensors of one MLP's outer product change and are stored in F32;
 * all others keep their bytes.
 */
public final class FoldedCheckpoint {
  /** The library that is to read the copy. */
  public enum ModelLibrary {
    TRANSFORMERS("config.json", "model.safetensors"),
    OPEN_CLIP("open_clip_config.json", "open_clip_model.safetensors");

    private final String config;
    private final String weights;

    ModelLibrary(String config, String weights) {
      this.config = config;
      this.weights = weights;
    }

    /** The file of the weights in the folder. */
    public String weights() {
      return weights;
    }

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /** The outer product of the MLP in the vision tower's block {@code %d}, and its LayerScale. */
  private static final Map<String, String> PRODUCTS =
      Map.of(
          "vision_model\\.encoder\\.layers\\.%d\\.mlp\\.fc2", "never",
          "visual\\.transformer\\.resblocks\\.%d\\.mlp\\.c_proj",
              "visual\\.transformer\\.resblocks\\.%d\\.ls_2\\..*",
          "visual\\.trunk\\.blocks\\.%d\\.mlp\\.fc2",
              "visual\\.trunk\\.blocks\\.%d\\.(ls2\\..*|gamma_2)");

  private static final String REMEDY = "Export it with --to sidecar";

  private FoldedCheckpoint() {}

  /**
   * Writes the copy into a new folder, whole or not at all.
   *
   * @param model that the edit was made on
   * @throws InputException saying in one line why the edit cannot be folded into these weights
   */
  public static void write(ClipModel model, CompiledEdit edit, ModelLibrary target, Path out) {
    Path weights = model.source().weights().toAbsolutePath().normalize();
    Path from = weights.getParent();
    boolean fits =
        from != null
            && Files.isRegularFile(from.resolve(target.config))
            && model
                .source()
                .family()
                .startsWith(target == ModelLibrary.OPEN_CLIP ? "open-clip" : "hf-");
    if (from == null || !fits) {
      throw new InputException(
          model.source().path(),
          "is no checkpoint folder of " + target + " (" + model.source().family() + ")",
          "Choose the library that the checkpoint is of: weights are not converted");
    }
    checkTokens(model, edit);
    try (Scope scope = Scope.open();
        TensorFile file = TensorFile.open(weights)) {
      AffineEdit affine = AffineEdit.of(edit);
      List<StoredTensor> tensors = folded(file, edit.site().point().layer(), affine);
      WorkFolder.write(
          out,
          folder -> {
            copyTexts(from, folder);
            SafeTensors.write(folder.resolve(target.weights), tensors, Map.of("format", "pt"));
            return true;
          });
    }
  }

  /**
   * How far the copy is from the edited tower: the largest difference of a coordinate of the unit
   * embeddings of two images of noise.
   *
   * @param folded what {@link #write} wrote
   */
  public static double difference(ClipModel model, CompiledEdit edit, Path folded, long seed) {
    int height = model.preprocessing().height();
    int width = model.preprocessing().width();
    double most = 0;
    try (ClipModel copy = ClipModel.load(folded, DType.F32, model.vision().device());
        Scope scope = Scope.open()) {
      Tensor pixels = Tensor.normal(new SplittableRandom(seed), 1, 2, 3, height, width);
      Hooks edited = Hooks.NONE.edit(edit.site().point(), edit);
      float[] wanted = model.vision().run(pixels, edited).embedding().toFloats();
      float[] found = copy.vision().run(pixels, Hooks.NONE).embedding().toFloats();
      for (int i = 0; i < wanted.length; i++) {
        most = Math.max(most, Math.abs((double) wanted[i] - found[i]));
      }
    }
    return most;
  }

  /** A weight serves all tokens alike; after the last block only those that pooling reads count. */
  private static void checkTokens(ClipModel model, CompiledEdit edit) {
    TokenSelection tokens = edit.site().tokens().selection();
    var config = model.vision().config();
    boolean read =
        tokens == TokenSelection.CLS
            && config.pooling() == Pooling.CLS
            && edit.site().point().layer() == config.layers() - 1;
    if (tokens == TokenSelection.ALL || read) return;
    throw new InputException(
        "the edit",
        "cannot be folded into weights: it edits " + tokens + " tokens, and a weight serves all",
        REMEDY);
  }

  private static List<StoredTensor> folded(TensorFile file, int layer, AffineEdit edit) {
    String name = product(file, layer);
    List<StoredTensor> tensors = new ArrayList<>();
    for (StoredTensor stored : file.tensors().values()) {
      if (stored.name().equals(name + ".weight")) {
        tensors.add(stored(stored.name(), edit.weight(Tensor.of(stored))));
      } else if (stored.name().equals(name + ".bias")) {
        tensors.add(stored(stored.name(), edit.bias(Tensor.of(stored))));
      } else {
        tensors.add(stored);
      }
    }
    return tensors;
  }

  private static StoredTensor stored(String name, Tensor tensor) {
    Tensor narrow = tensor.to(DType.F32).contiguous();
    return new StoredTensor(name, DType.F32, narrow.shape(), narrow.segment());
  }

  /** The name of the product, without {@code .weight}. */
  private static String product(TensorFile file, int layer) {
    List<String> found = new ArrayList<>();
    for (var entry : PRODUCTS.entrySet()) {
      Pattern product = at(entry.getKey() + "\\.weight", layer);
      Pattern scale = at(entry.getValue(), layer);
      for (String name : file.tensors().keySet()) {
        if (product.matcher(name).matches()) found.add(name.substring(0, name.length() - 7));
        if (scale.matcher(name).matches()) {
          throw new InputException(
              "the edit", "cannot be folded into weights: LayerScale follows the MLP", REMEDY);
        }
      }
    }
    if (found.size() == 1 && file.tensors().containsKey(found.getFirst() + ".bias")) {
      return found.getFirst();
    }
    throw new InputException(
        file.path(),
        "has no known outer product with a bias in the MLP of block " + layer + ": " + found,
        REMEDY);
  }

  private static Pattern at(String pattern, int layer) {
    return Pattern.compile("(?:.*\\.)?" + pattern.replace("%d", Integer.toString(layer)));
  }

  /** Configuration and tokenizer. The folded weights are F32: so is the model that holds them. */
  private static void copyTexts(Path from, Path to) throws IOException {
    try (Stream<Path> files = Files.list(from)) {
      for (Path file : files.filter(Files::isRegularFile).sorted().toList()) {
        String name = file.getFileName().toString();
        boolean text = name.endsWith(".json") || name.endsWith(".txt") || name.endsWith(".model");
        boolean ours = name.equals("manifest.json") || name.endsWith(".index.json");
        if (!text || ours) continue;
        if (!name.equals(ModelLibrary.TRANSFORMERS.config)) {
          Files.copy(file, to.resolve(name));
          continue;
        }
        JsonNode config = JsonFile.tree(file, "Fetch the checkpoint again");
        asF32(config);
        for (JsonNode part : config) asF32(part);
        AtomicFiles.writeJson(to.resolve(name), config);
      }
    } catch (IOException e) {
      throw new InputException(from, "cannot be copied: " + Reasons.of(e), "Check its rights", e);
    }
  }

  private static void asF32(JsonNode config) {
    if (!(config instanceof ObjectNode object)) return;
    for (String key : List.of("torch_dtype", "dtype")) {
      if (object.has(key)) object.put(key, "float32");
    }
  }
}
