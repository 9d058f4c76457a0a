// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.probe;

import io.clipsteer.data.Hashes;
import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.json.JsonFile;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.data.tensor.SafeTensors;
import io.clipsteer.data.tensor.StoredTensor;
import io.clipsteer.data.tensor.TensorFile;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.AnswerHead;
import io.clipsteer.engine.model.AnswerHead.OutputPart;
import io.clipsteer.engine.model.Pooling;
import io.clipsteer.engine.model.VisionTower;
import io.clipsteer.lab.run.Versions;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.apiguardian.api.API;

/**
 * A linear head on a frozen tower: logits {@code W·x + b} of classes.
 *
 * @param reads what it reads, and of which model
 * @param classes names, by row of W
 * @param weights W [k,d], row by row
 * @param bias b [k]
 */
@API(status = API.Status.MAINTAINED, since = "0.1")
public record Probe(Reads reads, List<String> classes, float[] weights, float[] bias) {
  /** Weight and bias in a probe's folder. */
  public static final String TENSORS = "probe.safetensors";

  private static final String FILE = "probe.json";
  private static final int PROTOCOL = 1;

  /** What a head answers. */
  public enum HeadTask {
    /** One class for an image. */
    CLASSIFICATION,
    /** One class for every pixel, from logits of patches. */
    SEGMENTATION;

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /**
   * What a head reads.
   *
   * @param model path of the checkpoint
   * @param modelHash SHA-256 of its weights
   * @param layer of the residual
   * @param squashed whether images are resized to the input's shape in the place of the model's own
   *     resizing and crop
   */
  public record Reads(
      HeadTask task,
      String model,
      String modelHash,
      int layer,
      HeadInput input,
      boolean squashed) {}

  private record Json(
      int protocol,
      String clipsteer,
      String task,
      String model,
      String modelSha256,
      int layer,
      String features,
      boolean squashed,
      List<String> classes) {}

  public Probe {
    classes = List.copyOf(classes);
  }

  /** Width d of the rows it reads. */
  public int width() {
    return weights.length / classes.size();
  }

  /** Logits [n,k] of rows [n,d], both row by row. */
  public float[] logits(float[] rows) {
    int k = classes.size();
    int d = width();
    try (Scope scope = Scope.open()) {
      Tensor x = Tensor.of(rows, rows.length / d, d);
      Tensor w = Tensor.of(weights, k, d).transpose(0, 1);
      return x.matmul(w).addInPlace(Tensor.of(bias, 1, k)).toFloats();
    }
  }

  /** Logits of patches [b·n,k], of the residual that the head reads [b,t,d]. */
  public float[] patchLogits(VisionTower tower, Tensor residual) {
    int prefix = tower.config().prefixTokens();
    Tensor patches = residual.narrow(1, prefix, residual.size(1) - prefix).contiguous();
    return logits(tower.normed(patches).to(Device.CPU).to(DType.F32).toFloats());
  }

  /** The class with the largest logit of each row, of equal ones the lower. */
  public static int[] best(float[] logits, int classes) {
    int[] best = new int[logits.length / classes];
    for (int i = 0; i < best.length; i++) {
      for (int c = 1; c < classes; c++) {
        if (logits[i * classes + c] > logits[i * classes + best[i]]) best[i] = c;
      }
    }
    return best;
  }

  /**
   * Refuses a model with other weights than the one it was trained on.
   *
   * @param path of this probe, for the message
   */
  public void check(ClipModel model, Path path) {
    if (Hashes.sha256(model.source().weights()).equals(reads.modelHash)) return;
    Path now = model.source().path().toAbsolutePath().normalize();
    boolean changed = now.toString().equals(reads.model);
    throw new InputException(
        path,
        changed
            ? "was trained before the weights of " + now + " changed"
            : "was trained on another model than " + now,
        changed
            ? "Restore them, or train the probe again"
            : "It was " + reads.model + "; give that, or train a probe on this one");
  }

  /**
   * The probe in the place of zero-shot words.
   *
   * @param path of this probe, for the message
   * @throws InputException where it is none of the model's, answers for pixels, or reads tokens
   *     that the model's own output does not give
   */
  public AnswerHead head(ClipModel model, Path path) {
    check(model, path);
    var config = model.vision().config();
    if (reads.task != HeadTask.CLASSIFICATION) {
      throw new InputException(
          path, "answers for pixels", "Give a probe of classes: trained on folder: or csv:");
    }
    if (reads.squashed) {
      throw new InputException(path, "was trained on squashed images", "Train it without --squash");
    }
    boolean pooled =
        reads.layer == config.layers() - 1
            && (reads.input == HeadInput.CLS && config.pooling() == Pooling.CLS
                || reads.input == HeadInput.MEAN
                    && config.pooling() == Pooling.MEAN_OF_NORMED_PATCHES);
    if (!pooled && reads.input != HeadInput.EMBEDDING) {
      throw new InputException(
          path,
          "reads " + reads.input + " of layer " + reads.layer + ", not what the model pools",
          "Train it with --features embedding");
    }
    OutputPart part = pooled ? OutputPart.POOLED : OutputPart.EMBEDDING;
    return new AnswerHead(classes, weights, width(), bias, 1, part);
  }

  /** Writes both files, the description last. */
  public void write(Path folder) {
    int k = classes.size();
    SafeTensors.write(
        folder.resolve(TENSORS),
        List.of(
            StoredTensor.ofFloats("weight", weights, k, width()),
            StoredTensor.ofFloats("bias", bias, k)),
        Map.of("format", "pt"));
    AtomicFiles.writeJson(
        folder.resolve(FILE),
        new Json(
            PROTOCOL,
            Versions.CLIPSTEER,
            reads.task.toString(),
            reads.model,
            reads.modelHash,
            reads.layer,
            reads.input.toString(),
            reads.squashed,
            classes));
  }

  /**
   * Reads a probe's folder.
   *
   * @throws InputException naming what is missing or does not fit
   */
  public static Probe read(Path folder) {
    String remedy = "Give the --out of clipsteer probe train";
    Json json = JsonFile.read(folder.resolve(FILE), Json.class, remedy);
    boolean whole =
        json.protocol == PROTOCOL
            && json.model != null
            && json.modelSha256 != null
            && json.classes != null
            && json.classes.size() > 1
            && Set.copyOf(json.classes).size() == json.classes.size()
            && json.layer >= 0;
    if (!whole) {
      throw new InputException(folder.resolve(FILE), "is no probe of protocol " + PROTOCOL, remedy);
    }
    Reads reads =
        new Reads(
            word(HeadTask.values(), json.task, folder),
            json.model,
            json.modelSha256,
            json.layer,
            word(HeadInput.values(), json.features, folder),
            json.squashed);
    if ((reads.task == HeadTask.SEGMENTATION) != (reads.input == HeadInput.PATCHES)) {
      throw new InputException(
          folder.resolve(FILE), "its task " + reads.task + " does not read " + reads.input, remedy);
    }
    try (TensorFile file = TensorFile.open(folder.resolve(TENSORS));
        Scope scope = Scope.open()) {
      int k = json.classes.size();
      StoredTensor weight = file.get("weight");
      long[] shape = weight.shape();
      boolean fits = shape.length == 2 && shape[0] == k && shape[1] > 0;
      StoredTensor bias = file.get("bias");
      if (!fits || !Arrays.equals(bias.shape(), new long[] {k})) {
        String shapes = Arrays.toString(shape) + " and " + Arrays.toString(bias.shape());
        throw new InputException(
            file.path(), "weight and bias are " + shapes + " for " + k + " classes", remedy);
      }
      Tensor w = Tensor.of(weight).to(DType.F32);
      Tensor b = Tensor.of(bias).to(DType.F32);
      if (!w.isFinite() || !b.isFinite()) {
        throw new InputException(file.path(), "has numbers that are not finite", remedy);
      }
      return new Probe(reads, json.classes, w.toFloats(), b.toFloats());
    }
  }

  private static <E extends Enum<E>> E word(E[] all, String word, Path folder) {
    for (E one : all) if (one.toString().equals(word)) return one;
    throw new InputException(
        folder.resolve(FILE),
        "\"" + word + "\" is not one of " + Arrays.toString(all).toLowerCase(Locale.ROOT),
        "Train the probe again");
  }
}
