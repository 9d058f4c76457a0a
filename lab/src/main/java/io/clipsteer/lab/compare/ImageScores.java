// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.compare;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.imageset.ImageBatch;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.sae.SparseCode;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.RunSaes;
import io.clipsteer.lab.run.TowerWalk;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.IntStream;

/**
 * The largest activation of every feature of some SAEs on each image.
 *
 * @param images ids, in the order of the scores
 * @param skipped images that could not be read
 * @param of by SAE, then image: [features] each
 */
record ImageScores(
    List<String> images, List<ImageLoader.Skipped> skipped, Map<RunSaes.One, List<float[]>> of) {
  /** Most memory for scores. */
  private static final long MOST_BYTES = 4L << 30;

  /**
   * Reads the images once.
   *
   * @param saes of this model
   * @throws InputException when no image can be read, or the scores would not fit in memory
   */
  static ImageScores read(
      ClipModel model, Images batches, List<RunSaes.One> saes, Progress progress) {
    long features = saes.stream().mapToLong(one -> one.sae().features()).sum();
    Map<RunSaes.One, List<float[]>> of = new LinkedHashMap<>();
    for (RunSaes.One one : saes) of.put(one, new ArrayList<>());
    List<String> ids = new ArrayList<>();
    TowerWalk walk = TowerWalk.past(model.vision(), saes.stream().map(RunSaes.One::point).toList());
    List<ImageLoader.Skipped> skipped =
        batches.forEach(
            "scoring images",
            model.vision().flopsPerImage(),
            progress,
            (batch, pixels) -> {
              if (4 * features * (ids.size() + batch.count()) > MOST_BYTES) {
                throw new InputException(
                    "comparison",
                    "the scores of " + features + " features on all images exceed 4 GiB",
                    "Give fewer images with --limit");
              }
              add(walk, batch, pixels, of);
              ids.addAll(batch.ids());
            });
    return new ImageScores(ids, skipped, of);
  }

  private static void add(
      TowerWalk walk, ImageBatch batch, Tensor pixels, Map<RunSaes.One, List<float[]>> of) {
    walk.walk(
        pixels,
        paused -> {
          for (var entry : of.entrySet()) {
            RunSaes.One one = entry.getKey();
            if (!one.point().equals(paused.at())) continue;
            try (Scope scope = Scope.open()) {
              Tensor x = walk.selected(one.selection(), paused);
              SparseCode code = one.sae().encode(x).code();
              int[] units = code.indices().segment().toArray(ValueLayout.JAVA_INT);
              float[] values = code.values().toFloats();
              int tokens = code.rows() / batch.count();
              for (int i = 0; i < batch.count(); i++) {
                float[] largest = new float[one.sae().features()];
                int end = code.starts()[(i + 1) * tokens];
                for (int e = code.starts()[i * tokens]; e < end; e++) {
                  largest[units[e]] = Math.max(largest[units[e]], values[e]);
                }
                entry.getValue().add(largest);
              }
            }
          }
        });
  }

  /** Number of images on which each feature is active. */
  int[] active(RunSaes.One one) {
    int[] active = new int[one.sae().features()];
    for (float[] image : Objects.requireNonNull(of.get(one))) {
      for (int u = 0; u < active.length; u++) if (image[u] > 0) active[u]++;
    }
    return active;
  }

  /** Features active on at least so many images, ascending. */
  int[] atLeast(RunSaes.One one, int images) {
    int[] active = active(one);
    return IntStream.range(0, active.length).filter(u -> active[u] >= images).toArray();
  }

  /**
   * Scores of some features minus their mean, scaled to unit length: inner products are
   * correlations. F32 [ids,images], in the current scope.
   */
  Tensor rows(RunSaes.One one, int[] ids) {
    List<float[]> scores = Objects.requireNonNull(of.get(one));
    int n = scores.size();
    float[] rows = new float[Math.multiplyExact(ids.length, n)];
    for (int k = 0; k < ids.length; k++) {
      double sum = 0;
      double squares = 0;
      for (float[] image : scores) sum += image[ids[k]];
      double mean = sum / n;
      for (float[] image : scores) squares += Math.pow(image[ids[k]] - mean, 2);
      double scale = squares > 0 ? 1 / Math.sqrt(squares) : 0;
      for (int i = 0; i < n; i++)
        rows[k * n + i] = (float) ((scores.get(i)[ids[k]] - mean) * scale);
    }
    return Tensor.of(rows, ids.length, n);
  }
}
