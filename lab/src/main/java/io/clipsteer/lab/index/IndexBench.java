// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.Reasons;
import io.clipsteer.data.folder.Folders;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Engine;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SaeActivation;
import io.clipsteer.engine.sae.SaeEncoder;
import io.clipsteer.lab.run.TokenLayout;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;

/** Time of an index of random tokens: all but the tower and the names. */
public final class IndexBench {
  /**
   * The measurements.
   *
   * @param seconds from tokens in memory to tables on disk
   * @param encodeSeconds part of them, in the SAE's encoder
   * @param cpuSeconds of the process meanwhile, all threads; unaffected by other processes
   * @param peakBytes of the process
   */
  public record IndexTimes(
      double seconds, double encodeSeconds, double cpuSeconds, long peakBytes) {}

  private static final int GRID = 14;
  private static final int PATCHES = GRID * GRID;
  private static final int EMBEDDING = 512;
  private static final int LABELS = 10;
  private static final int BATCH = 16;

  private IndexBench() {}

  /**
   * Measures.
   *
   * @param tokens patch tokens, rounded up to whole images of 196
   */
  public static IndexTimes run(
      int width, int features, int k, int tokens, long seed, Progress progress) {
    Path folder;
    try {
      folder = Files.createTempDirectory("clipsteer-bench-");
    } catch (IOException e) {
      throw new InputException(
          "bench index", "no temporary folder: " + Reasons.of(e), "Free some space", e);
    }
    try (Scope scope = Scope.open()) {
      SplittableRandom random = new SplittableRandom(seed);
      try (Sae sae = sae(width, features, k, random, scope)) {
        float[] directions = Tensor.normal(random, 1, 512, width).toFloats();
        return run(sae, directions, (tokens + PATCHES - 1) / PATCHES, random, folder, progress);
      }
    } finally {
      Folders.deleteQuietly(folder);
    }
  }

  private static IndexTimes run(
      Sae sae,
      float[] directions,
      int images,
      SplittableRandom random,
      Path folder,
      Progress progress) {
    var layout = new TokenLayout(1, PATCHES, 1, GRID, GRID);
    double encode = 0;
    double generate = 0;
    double cpu = cpu();
    long start = System.nanoTime();
    try (ScoreFile scores = new ScoreFile(folder, sae.features());
        SaeEncoder encoder = new SaeEncoder(sae);
        var task = progress.start("indexing random tokens", images, "images")) {
      var tally = new UnitTally(layout, sae.features(), EMBEDDING, 16);
      var point = HookPoint.residPost(0);
      var group =
          new IndexRun.IndexedGroup(
              "saes/random", point, TokenSelection.PATCHES, sae, encoder, tally, scores);
      var pass = new IndexRun.Pass(List.of(group), Labels.ofClasses());
      for (int from = 0; from < images; from += BATCH) {
        int count = Math.min(BATCH, images - from);
        try (Scope scope = Scope.open()) {
          long begin = System.nanoTime();
          Tensor x = tokens(directions, sae.width(), count * PATCHES, random);
          float[] embeddings = Tensor.normal(random, 1, count, EMBEDDING).toFloats();
          generate += seconds(begin);
          begin = System.nanoTime();
          Codes codes = Codes.of(encoder.encode(x));
          encode += seconds(begin);
          for (int i = 0; i < count; i++) add(pass, embeddings, codes, i);
        }
        task.advance(count, 2.0 * sae.width() * sae.features() * PATCHES * count);
      }
      try (ParquetTables duck = new ParquetTables(folder)) {
        IndexTables tables = new IndexTables(duck, IndexedUnits.FEATURES);
        tables.images(pass);
        tables.tops(pass);
        tables.labels(pass, List.of());
        tables.units(pass, Map.of());
      }
      return new IndexTimes(seconds(start) - generate, encode, cpu() - cpu, Engine.peakBytes());
    }
  }

  /** Adds the ith image of a batch. */
  private static void add(IndexRun.Pass pass, float[] embeddings, Codes codes, int i) {
    int image = pass.images().size();
    String id = "image-" + image;
    int[] labels = pass.labels().of(id, String.format(Locale.ROOT, "%02d", image % LABELS));
    if (labels != null) pass.known().add(image, labels);
    pass.images().add(id);
    pass.classes().add(null);
    IndexRun.IndexedGroup group = pass.groups().getFirst();
    double[] unit = IndexRun.unit(embeddings, i * EMBEDDING, EMBEDDING, id);
    group.tally().add(image, unit, codes, i * PATCHES, group.scores());
  }

  private static double cpu() {
    return ProcessHandle.current()
        .info()
        .totalCpuDuration()
        .map(duration -> duration.toMillis() * 1e-3)
        .orElse(Double.NaN);
  }

  private static double seconds(long since) {
    return (System.nanoTime() - since) * 1e-9;
  }

  private static Sae sae(int width, int features, int k, SplittableRandom random, Scope scope) {
    return new Sae(
        new SaeActivation.TopK(k),
        new InputNormalisation.LayerNorm(),
        scope.release(Tensor.normal(random, 1 / Math.sqrt(width), width, features)),
        scope.release(Tensor.zeros(DType.F32, features)),
        // Not read by the index itself.
        scope.release(Tensor.zeros(DType.F32, features, 1).expand(features, width)),
        scope.release(Tensor.zeros(DType.F32, width)),
        true);
  }

  /** Sums of few directions: tokens that differ as real ones do. */
  private static Tensor tokens(float[] directions, int width, int count, SplittableRandom random) {
    float[] rows = new float[count * width];
    int all = directions.length / width;
    for (int row = 0; row < count; row++) {
      for (int term = 0; term < 8; term++) {
        int from = random.nextInt(all) * width;
        float weight = (float) random.nextDouble();
        for (int c = 0; c < width; c++) rows[row * width + c] += weight * directions[from + c];
      }
    }
    return Tensor.of(rows, count, width);
  }
}
