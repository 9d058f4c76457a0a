// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.compare;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.RunSaes;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Compares the SAEs of two runs: by decoder directions where both read the same model, and by
 * activations where there are images.
 *
 * @param a the SAEs of one run
 * @param b the SAEs of the other; the same object for a run against itself
 * @param sameModel whether both read the same weights
 * @param settings thresholds
 */
public record CompareRun(RunSaes a, RunSaes b, boolean sameModel, CompareSettings settings) {
  /** Most rows of A in a cell of the drift, evenly spread over its features. */
  private static final int DRIFT_ROWS = 2048;

  /**
   * One side's images.
   *
   * @param model that the side's SAEs read
   * @param batches preprocessed for this model
   */
  public record ModelImages(ClipModel model, Images batches) {}

  /** A pair of SAEs to compare in full. */
  private record Two(RunSaes.One a, RunSaes.One b) {}

  /**
   * Compares.
   *
   * @param ofA null without images
   * @param ofB null without images; ignored where both sides read the same model
   */
  public Comparison run(@Nullable ModelImages ofA, @Nullable ModelImages ofB, Progress progress) {
    if (ofA == null && !sameModel) {
      throw new InputException(
          "comparison",
          "the runs read different models, whose directions have nothing in common",
          "Give images with --images: features are then matched by their activations");
    }
    if (a == b && a.all().size() < 2) {
      throw new InputException(
          "comparison", "a run of one SAE against itself", "Name another run as the second");
    }
    ImageScores scoresA = null;
    ImageScores scoresB = null;
    if (ofA != null) {
      List<RunSaes.One> first = new ArrayList<>(a.all());
      if (sameModel && a != b) first.addAll(b.all());
      scoresA = ImageScores.read(ofA.model, ofA.batches, first, progress);
      scoresB = scoresA;
      if (!sameModel) {
        ModelImages other = Objects.requireNonNull(ofB);
        scoresB = ImageScores.read(other.model, other.batches, b.all(), progress);
        if (!scoresA.images().equals(scoresB.images())) {
          throw new InputException(
              "comparison",
              "the models did not read the same images",
              "Remove the unreadable ones");
        }
      }
    }
    return compared(scoresA, scoresB, progress);
  }

  private Comparison compared(
      @Nullable ImageScores scoresA, @Nullable ImageScores scoresB, Progress progress) {
    List<Comparison.Drift> drifts = new ArrayList<>();
    Comparison.Drift activations = null;
    if (a.all().size() > 1 || b.all().size() > 1) {
      if (sameModel) drifts.add(drift(null, null, progress));
      if (scoresA != null) {
        activations = drift(scoresA, scoresB, progress);
        drifts.add(activations);
      }
    }
    List<Two> twos = twos(activations);
    List<Comparison.Pair> pairs = new ArrayList<>();
    try (var task = progress.start("matching", twos.size(), "pairs")) {
      for (Two two : twos) {
        if (sameModel) pairs.add(pair(two, scoresA, scoresB, false));
        if (scoresA != null) pairs.add(pair(two, scoresA, scoresB, true));
        task.advance(1, 0);
      }
    }
    int images = scoresA == null ? 0 : scoresA.images().size();
    List<ImageLoader.Skipped> skipped = scoresA == null ? List.of() : scoresA.skipped();
    return new Comparison(images, skipped, sameModel, settings, pairs, drifts);
  }

  /** The pairs to compare in full. */
  private List<Two> twos(Comparison.@Nullable Drift activations) {
    List<Two> twos = new ArrayList<>();
    if (a == b) {
      List<RunSaes.One> sorted =
          a.all().stream().sorted(Comparator.comparingInt(one -> one.point().layer())).toList();
      for (int i = 1; i < sorted.size(); i++) twos.add(new Two(sorted.get(i - 1), sorted.get(i)));
      return twos;
    }
    if (sameModel) {
      for (RunSaes.One one : a.all()) {
        for (RunSaes.One other : b.all()) {
          if (one.point().equals(other.point()) && one.selection() == other.selection()) {
            twos.add(new Two(one, other));
          }
        }
      }
    } else if (activations != null) {
      // Layers of different models do not correspond: each SAE is paired with the most similar.
      for (int i = 0; i < a.all().size(); i++) {
        double[] row = activations.values()[i];
        int best = 0;
        for (int j = 1; j < row.length; j++) if (row[j] > row[best]) best = j;
        twos.add(new Two(a.all().get(i), b.all().get(best)));
      }
    }
    if (twos.isEmpty()) {
      for (RunSaes.One one : a.all()) for (RunSaes.One o : b.all()) twos.add(new Two(one, o));
    }
    return twos;
  }

  /** The features to compare: with images only those that are active on enough of them. */
  private int[] ids(RunSaes.One one, @Nullable ImageScores scores, boolean activation) {
    if (scores != null) return scores.atLeast(one, activation ? settings.minImages() : 1);
    return IntStream.range(0, one.sae().features()).toArray();
  }

  /** Unit rows of some features, in the current scope. */
  private static Tensor rows(RunSaes.One one, int[] ids, @Nullable ImageScores scores) {
    if (scores != null) return scores.rows(one, ids);
    long[] wide = Arrays.stream(ids).asLongStream().toArray();
    return one.sae().decoder().indexSelect(0, Tensor.of(wide, wide.length)).unit();
  }

  private Comparison.Pair pair(
      Two two, @Nullable ImageScores scoresA, @Nullable ImageScores scoresB, boolean activation) {
    int[] idsA = ids(two.a, scoresA, activation);
    int[] idsB = ids(two.b, scoresB, activation);
    if (idsA.length == 0 || idsB.length == 0) {
      throw new InputException(
          (idsA.length == 0 ? two.a : two.b).entry().folder(),
          "no feature is active on enough images",
          "Give more images, or a lower --min-images");
    }
    try (Scope scope = Scope.open()) {
      Tensor rowsA = rows(two.a, idsA, activation ? scoresA : null);
      Tensor rowsB = rows(two.b, idsB, activation ? scoresB : null);
      Matching matching = Matching.of(rowsA, rowsB, settings.assignUpTo());
      Matching.Nearest chance = Matching.chance(rowsA, rowsB, settings.seed());
      return new Comparison.Pair(
          activation ? "activation" : "decoder",
          two.a.entry().folder(),
          two.b.entry().folder(),
          idsA,
          idsB,
          scoresA == null ? null : scoresA.active(two.a),
          scoresB == null ? null : scoresB.active(two.b),
          matching,
          chance);
    }
  }

  /** Mean cosine (or correlation) of A's features with their nearest in B, for all SAEs. */
  private Comparison.Drift drift(
      @Nullable ImageScores scoresA, @Nullable ImageScores scoresB, Progress progress) {
    double[][] values = new double[a.all().size()][b.all().size()];
    boolean activation = scoresA != null;
    String title = activation ? "correlating SAEs" : "comparing directions";
    try (var task = progress.start(title, (long) values.length * b.all().size(), "pairs")) {
      for (int i = 0; i < values.length; i++) {
        try (Scope scope = Scope.open()) {
          RunSaes.One one = a.all().get(i);
          Tensor rowsA = rows(one, spread(ids(one, scoresA, activation)), scoresA);
          for (int j = 0; j < values[i].length; j++) {
            RunSaes.One other = b.all().get(j);
            try (Scope inner = Scope.open()) {
              Tensor rowsB = rows(other, ids(other, scoresB, activation), scoresB);
              values[i][j] = Matching.nearest(rowsA, rowsB).mean();
            }
            task.advance(1, 0);
          }
        }
      }
    }
    return new Comparison.Drift(
        activation ? "activation" : "decoder",
        a.all().stream().map(one -> one.entry().folder()).toList(),
        b.all().stream().map(one -> one.entry().folder()).toList(),
        values);
  }

  private static int[] spread(int[] ids) {
    if (ids.length <= DRIFT_ROWS) return ids;
    int[] some = new int[DRIFT_ROWS];
    for (int i = 0; i < some.length; i++) some[i] = ids[(int) ((long) i * ids.length / DRIFT_ROWS)];
    return some;
  }
}
