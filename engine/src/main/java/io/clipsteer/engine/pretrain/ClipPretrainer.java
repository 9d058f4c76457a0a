// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.pretrain;

import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.data.tensor.SafeTensors;
import io.clipsteer.data.tensor.StoredTensor;
import io.clipsteer.engine.Engine;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.SideBySide;
import io.clipsteer.engine.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * Trains a CLIP from scratch by its symmetric contrastive loss (Radford et al. 2021, figure 3):
 * each image is to find its caption among the batch's, and each caption its image. On the CPU; the
 * same seed, data and number of threads give the same weights.
 */
public final class ClipPretrainer implements AutoCloseable {
  private static final String VISION = "vision_model.";
  private static final String TEXT = "text_model.";
  private static final String SCALE = "logit_scale";
  private static final double WAVE_RANGE = 100;
  private static final double POSITION_SIZE = 0.7;
  private static final double MAX_LOG_SCALE = Math.log(100);

  /**
   * The result of one update.
   *
   * @param loss mean of both directions' cross-entropies, in nats
   * @param gradientNorm before clipping
   * @param logitScale factor of the cosines
   */
  public record PretrainStep(double loss, double gradientNorm, double logitScale) {}

  private final ClipShape shape;
  private final AdamW settings;
  private final DType dtype;
  private final Parameters parameters;
  private final TowerParameters vision;
  private final TowerParameters text;
  private int steps;

  /**
   * A fresh model.
   *
   * @param dtype of the matrix products: BF16 or F32
   */
  public ClipPretrainer(ClipShape shape, AdamW settings, DType dtype, long seed) {
    this.shape = shape;
    this.settings = settings;
    this.dtype = dtype;
    this.parameters = declare(shape, seed);
    this.vision =
        new TowerParameters(
            parameters,
            VISION,
            shape.visionWidth(),
            shape.visionLayers(),
            shape.visionHeads(),
            false,
            dtype);
    this.text =
        new TowerParameters(
            parameters,
            TEXT,
            shape.textWidth(),
            shape.textLayers(),
            shape.textHeads(),
            true,
            dtype);
  }

  private static Parameters declare(ClipShape s, long seed) {
    Parameters.Builder builder = new Parameters.Builder(seed);
    int d = s.visionWidth();
    double spread = Math.pow(d, -0.5);
    long patchPixels = 3L * s.patch() * s.patch();
    builder.gaussian(VISION + "embeddings.class_embedding", spread, false, d);
    builder.gaussian(
        VISION + "embeddings.patch_embedding.weight",
        Math.pow(patchPixels, -0.5),
        true,
        d,
        patchPixels);
    builder.values(
        VISION + "embeddings.position_embedding.weight", positions(s), false, s.patches() + 1L, d);
    TowerParameters.norm(builder, VISION + "pre_layrnorm", d);
    TowerParameters.declare(builder, VISION, d, s.visionLayers());
    TowerParameters.norm(builder, VISION + "post_layernorm", d);
    builder.gaussian("visual_projection.weight", spread, true, s.embedDim(), d);
    int w = s.textWidth();
    builder.gaussian(TEXT + "embeddings.token_embedding.weight", 0.02, false, s.vocabulary(), w);
    builder.gaussian(TEXT + "embeddings.position_embedding.weight", 0.01, false, s.context(), w);
    TowerParameters.declare(builder, TEXT, w, s.textLayers());
    TowerParameters.norm(builder, TEXT + "final_layer_norm", w);
    builder.gaussian("text_projection.weight", Math.pow(w, -0.5), true, s.embedDim(), w);
    builder.constant(SCALE, Math.log(1 / 0.07), 1);
    return builder.build();
  }

  /**
   * Positions start as sines and cosines of row and column (as MAE's, He et al. 2022), so that
   * neighbours are alike from the first step; the class token's is zero.
   */
  private static float[] positions(ClipShape s) {
    int d = s.visionWidth();
    int grid = s.imageSize() / s.patch();
    float[] table = new float[(s.patches() + 1) * d];
    int waves = d / 4;
    for (int patch = 0; patch < s.patches(); patch++) {
      double[] place = {patch / grid, patch % grid};
      for (int axis = 0; axis < 2; axis++) {
        for (int wave = 0; wave < waves; wave++) {
          double angle = place[axis] * Math.pow(WAVE_RANGE, -(double) wave / waves);
          int at = (patch + 1) * d + 2 * axis * waves + wave;
          table[at] = (float) (POSITION_SIZE * Math.sin(angle));
          table[at + waves] = (float) (POSITION_SIZE * Math.cos(angle));
        }
      }
    }
    return table;
  }

  /** Number of weights. */
  public long parameterCount() {
    return parameters.count();
  }

  /** Updates done. */
  public int steps() {
    return steps;
  }

  /**
   * One update.
   *
   * @param pixels F32 [b,3,h,w], normalised
   * @param ids token ids, one row per caption, each with its end token: b first captions, then b
   *     second ones, and so on; the loss is the mean over the sets
   * @param rate AdamW's step
   */
  public PretrainStep step(Tensor pixels, long[][] ids, double rate) {
    Engine.WORK.lock();
    try {
      return update(pixels, ids, rate);
    } finally {
      Engine.WORK.unlock();
    }
  }

  private PretrainStep update(Tensor pixels, long[][] ids, double rate) {
    double loss = lossWithGradients(pixels, ids);
    double norm = parameters.gradientNorm();
    if (!Double.isFinite(loss) || !Double.isFinite(norm)) {
      throw new InputException(
          "step " + (steps + 1),
          "the loss is " + loss + ", the gradients' norm " + norm,
          "Resume with a smaller learning rate");
    }
    parameters.update(settings, rate, ++steps);
    parameters.clamp(SCALE, 0, MAX_LOG_SCALE);
    try (Scope scope = Scope.open()) {
      return new PretrainStep(loss, norm, Math.exp(parameters.get(SCALE).item()));
    }
  }

  /** The loss of a batch without an update; the gradients are left for {@link Parameters}. */
  double lossWithGradients(Tensor pixels, long[][] ids) {
    int b = Math.toIntExact(pixels.size(0));
    if (ids.length == 0 || ids.length % b != 0) {
      throw new IllegalArgumentException(ids.length + " captions of " + b + " images");
    }
    parameters.zeroGradients();
    try (Scope scope = Scope.openRecording()) {
      return SideBySide.gradients(
          half -> embed(half, pixels, ids), halves -> contrast(halves, ids.length / b));
    }
  }

  private static int start(int half, int b) {
    return half * b / SideBySide.COUNT;
  }

  /** Half of the images, then their captions: as many first ones, as many second ones … */
  private List<Tensor> embed(int half, Tensor pixels, long[][] ids) {
    int b = Math.toIntExact(pixels.size(0));
    int from = start(half, b);
    int count = start(half + 1, b) - from;
    long[][] mine = new long[ids.length / b * count][];
    for (int set = 0; set < ids.length / b; set++) {
      System.arraycopy(ids, set * b + from, mine, set * count, count);
    }
    return List.of(embedImages(pixels.narrow(0, from, count)), embedTexts(mine));
  }

  /**
   * The loss of embeddings.
   *
   * @param halves of each, images' and captions'
   * @param sets captions of each image
   */
  private Tensor contrast(List<List<Tensor>> halves, int sets) {
    Tensor images =
        Tensor.concat(halves.stream().map(List::getFirst).toList(), 0)
            .mul(parameters.get(SCALE).exp());
    long b = images.size(0);
    Tensor right = null;
    for (int set = 0; set < sets; set++) {
      List<Tensor> texts = new ArrayList<>();
      for (List<Tensor> half : halves) {
        long count = half.getFirst().size(0);
        texts.add(half.getLast().narrow(0, set * count, count));
      }
      Tensor logits = images.matmul(Tensor.concat(texts, 0).transpose(0, 1));
      Tensor both = logits.logSoftmax(1).diagonal().add(logits.logSoftmax(0).diagonal());
      right = right == null ? both : right.add(both);
    }
    return Objects.requireNonNull(right).sum(DType.F32).mul(-0.5 / (b * sets));
  }

  /** The weights, for tests. */
  Parameters parameters() {
    return parameters;
  }

  /** Unit embeddings F32 [b,e] of images F32 [b,3,h,w]. */
  Tensor embedImages(Tensor pixels) {
    long b = pixels.size(0);
    int p = shape.patch();
    int grid = shape.imageSize() / p;
    int d = shape.visionWidth();
    Tensor patches =
        pixels
            .to(dtype)
            .reshape(b, 3, grid, p, grid, p)
            .permute(0, 2, 4, 1, 3, 5)
            .reshape(b * shape.patches(), 3L * p * p);
    Tensor weight = parameters.get(VISION + "embeddings.patch_embedding.weight").to(dtype);
    Tensor embedded = patches.linear(weight, null).to(DType.F32).reshape(b, shape.patches(), d);
    Tensor cls =
        parameters.get(VISION + "embeddings.class_embedding").reshape(1, 1, d).expand(b, 1, d);
    Tensor x =
        Tensor.concat(List.of(cls, embedded), 1)
            .add(parameters.get(VISION + "embeddings.position_embedding.weight"));
    int[] classTokens = new int[Math.toIntExact(b)];
    Tensor out = vision.run(vision.norm(x, VISION + "pre_layrnorm"), classTokens);
    Tensor pooled = vision.norm(out, VISION + "post_layernorm");
    return unit(pooled.linear(parameters.get("visual_projection.weight"), null));
  }

  /** Unit embeddings F32 [b,e] of texts. */
  Tensor embedTexts(long[][] ids) {
    int b = ids.length;
    long end = shape.vocabulary() - 1L;
    int t = 1;
    int[] ends = new int[b];
    for (int i = 0; i < b; i++) {
      int at = 0;
      while (ids[i][at] != end) at++;
      ends[i] = at;
      t = Math.max(t, at + 1);
    }
    // Causal attention: what follows the end token of the longest text changes nothing.
    long[] flat = new long[b * t];
    for (int i = 0; i < b; i++) System.arraycopy(ids[i], 0, flat, i * t, t);
    int d = shape.textWidth();
    Tensor tokens = parameters.get(TEXT + "embeddings.token_embedding.weight");
    Tensor positions = parameters.get(TEXT + "embeddings.position_embedding.weight");
    Tensor x =
        tokens
            .indexSelect(0, Tensor.of(flat, flat.length))
            .reshape(b, t, d)
            .add(positions.narrow(0, 0, t));
    Tensor pooled = text.norm(text.run(x, ends), TEXT + "final_layer_norm");
    return unit(pooled.linear(parameters.get("text_projection.weight"), null));
  }

  private static Tensor unit(Tensor rows) {
    return rows.div(rows.norm(-1));
  }

  /** Writes the state that {@link #resume} continues from, with the caller's own notes. */
  public void save(Path file, Map<String, String> notes) {
    Map<String, String> metadata = new LinkedHashMap<>(notes);
    metadata.put("steps", Integer.toString(steps));
    parameters.save(file, metadata);
  }

  /** Continues from a saved state; returns the caller's notes. */
  public Map<String, String> resume(Path file) {
    Map<String, String> metadata = parameters.load(file);
    String text = metadata.getOrDefault("steps", "");
    if (!text.matches("\\d{1,9}")) {
      throw new InputException(file, "does not say its number of steps", "Start afresh");
    }
    steps = Integer.parseInt(text);
    return metadata;
  }

  /**
   * Writes {@code config.json}, {@code preprocessor_config.json} and {@code model.safetensors} as
   * Hugging Face's CLIP has them; the tokenizer is the caller's.
   *
   * @param dtype of the file: F16 or F32
   */
  public void export(Path folder, DType dtype) {
    List<StoredTensor> tensors = new ArrayList<>();
    try (Scope scope = Scope.open()) {
      for (String name : parameters.names()) add(tensors, name, parameters.get(name), dtype);
    }
    AtomicFiles.writeJson(folder.resolve("config.json"), shape.toHuggingFace());
    AtomicFiles.writeJson(folder.resolve("preprocessor_config.json"), shape.preprocessor());
    SafeTensors.write(folder.resolve("model.safetensors"), tensors, Map.of("format", "pt"));
  }

  private void add(List<StoredTensor> tensors, String name, Tensor weight, DType dtype) {
    Tensor value = weight.mul(TowerParameters.fileScale(name));
    int qkv = name.indexOf("qkv");
    if (qkv >= 0) {
      long d = value.size(0) / 3;
      List<String> parts = List.of("q_proj", "k_proj", "v_proj");
      for (int i = 0; i < 3; i++) {
        String part = name.substring(0, qkv) + parts.get(i) + name.substring(qkv + 3);
        tensors.add(parameters.stored(part, value.narrow(0, i * d, d), dtype));
      }
    } else if (name.endsWith("patch_embedding.weight")) {
      Tensor kernel = value.reshape(shape.visionWidth(), 3, shape.patch(), shape.patch());
      tensors.add(parameters.stored(name, kernel, dtype));
    } else if (name.equals(SCALE)) {
      tensors.add(parameters.stored(name, value.reshape(), dtype));
    } else {
      tensors.add(parameters.stored(name, value, dtype));
    }
  }

  @Override
  public void close() {
    parameters.close();
  }
}
