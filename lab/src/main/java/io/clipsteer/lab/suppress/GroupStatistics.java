// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import io.clipsteer.data.InputException;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.edit.EncodedTokens;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SparseCode;
import io.clipsteer.lab.study.Groups;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * What an SAE and the residual it reads were on the training images: sums by group and, where they
 * are asked for, every image's mean activations.
 */
final class GroupStatistics {
  /** Of kept activations, all SAEs together. */
  static final long KEPT_ENTRIES = 200_000_000;

  private final Sae sae;
  private final double[][] codes;
  private final double[][] squares;
  private final double[][] residuals;
  private final int[] images;
  private final float[][] largest;
  private final double[] total;
  private final @Nullable Kept kept;
  private long tokens;

  /** Every image's mean activations that are above 0, image by image. */
  static final class Kept {
    int[] features = new int[1 << 12];
    float[] values = new float[1 << 12];
    int[] starts = new int[65];
    int[] groups = new int[64];
    int images;

    private void add(int group, int[] touched, int count, double[] sums, int tokens, long most) {
      int from = starts[images];
      if ((long) from + count > most) {
        throw new InputException(
            "--select auroc",
            "the training images' activations do not fit in memory",
            "Use fewer (--per-group), or fewer layers");
      }
      if (from + count > features.length) {
        int room = (int) Math.min(Integer.MAX_VALUE - 8L, 2L * (from + count));
        features = Arrays.copyOf(features, room);
        values = Arrays.copyOf(values, room);
      }
      if (images == groups.length) {
        groups = Arrays.copyOf(groups, 2 * groups.length);
        starts = Arrays.copyOf(starts, groups.length + 1);
      }
      for (int i = 0; i < count; i++) {
        features[from + i] = touched[i];
        values[from + i] = (float) (sums[touched[i]] / tokens);
      }
      groups[images++] = group;
      starts[images] = from + count;
    }
  }

  private final long most;

  /**
   * Nothing yet.
   *
   * @param keep whether every image's activations are kept
   * @param places how many SAEs share the memory
   */
  GroupStatistics(Sae sae, int groups, boolean keep, int places) {
    this.sae = sae;
    codes = new double[groups][sae.features()];
    squares = new double[groups][sae.features()];
    residuals = new double[groups][sae.width()];
    images = new int[groups];
    largest = new float[groups][sae.features()];
    total = new double[sae.features()];
    kept = keep ? new Kept() : null;
    most = KEPT_ENTRIES / places;
  }

  /** Adds a batch, the i-th image of group {@code group[i]}. */
  void add(EncodedTokens moment, int[] group) {
    int t = moment.tokens();
    int d = sae.width();
    float[] rows =
        moment.rows().reshape(moment.images(), t, d).mean(1, false).contiguous().toFloats();
    SparseCode code = moment.encoded(sae).code();
    var numbers = code.indices().segment();
    var values = code.values().segment();
    double[] sums = new double[sae.features()];
    int[] touched = new int[sae.features()];
    for (int i = 0; i < group.length; i++) {
      int count = 0;
      for (int e = code.starts()[i * t]; e < code.starts()[(i + 1) * t]; e++) {
        float value = values.getAtIndex(ValueLayout.JAVA_FLOAT, e);
        if (value == 0) continue;
        int feature = numbers.getAtIndex(ValueLayout.JAVA_INT, e);
        if (sums[feature] == 0) touched[count++] = feature;
        sums[feature] += value;
        squares[group[i]][feature] += (double) value * value / t;
        largest[group[i]][feature] = Math.max(largest[group[i]][feature], value);
      }
      int g = group[i];
      images[g]++;
      for (int j = 0; j < d; j++) residuals[g][j] += rows[i * d + j];
      if (kept != null) kept.add(g, touched, count, sums, t, most);
      for (int c = 0; c < count; c++) {
        int feature = touched[c];
        codes[g][feature] += sums[feature] / t;
        total[feature] += sums[feature];
        sums[feature] = 0;
      }
    }
    tokens += (long) group.length * t;
  }

  Sae sae() {
    return sae;
  }

  /** Images of each group. */
  int[] images() {
    return images;
  }

  /** How much more active each feature is with the attribute. */
  double[] featureDifference(Groups groups) {
    return groups.difference(codes, images, 1);
  }

  /** How much larger each coordinate of the residual is with the attribute. */
  double[] residualDifference(Groups groups) {
    return groups.difference(residuals, images, 1);
  }

  /**
   * How far ablating each feature is expected to bring images with the attribute towards themselves
   * without it, less how far it moves those without: {@code |d|²(E₊[a²] − 3·E₋[a²])}, means over
   * tokens. Ablation takes {@code a·d} from a token x and {@code b·d} from the same token y without
   * the attribute; the squared distances to y fall by {@code 2a·d·(x − y) − a²|d|²} and by {@code
   * −b²|d|²}. With {@code d·(x − y) ≈ (a − b)|d|²}, and {@code E[ab] ≈ E[b²]}, since what has
   * nothing to do with the attribute is in both, their sum is the above.
   */
  double[] featureEnergy(Groups groups) {
    double[] energy = groups.difference(squares, images, 3);
    try (Scope scope = Scope.open()) {
      float[] length = sae.decoder().norm(1).toFloats();
      for (int f = 0; f < energy.length; f++) energy[f] *= (double) length[f] * length[f];
    }
    return energy;
  }

  /** Half-way between the residual's mean with the attribute and without. */
  float[] centre(Groups groups) {
    double[] centre = new double[sae.width()];
    var strata = groups.comparable(images);
    for (Groups.Stratum stratum : strata) {
      for (var side : java.util.List.of(stratum.with(), stratum.without())) {
        for (int g : side) {
          double weight = 0.5 / strata.size() / side.size() / images[g];
          for (int j = 0; j < centre.length; j++) centre[j] += weight * residuals[g][j];
        }
      }
    }
    float[] floats = new float[centre.length];
    for (int j = 0; j < floats.length; j++) floats[j] = (float) centre[j];
    return floats;
  }

  /** Mean of each coordinate over the training images. */
  double[] residualMeans() {
    int all = IntStream.of(images).sum();
    double[] means = new double[sae.width()];
    for (double[] sums : residuals) {
      for (int j = 0; j < means.length; j++) means[j] += sums[j] / all;
    }
    return means;
  }

  /** What features become. */
  float[] values(int[] features, Groups groups, SuppressionSettings.Change change) {
    float[] values = new float[features.length];
    for (int i = 0; i < values.length; i++) {
      values[i] =
          switch (change) {
            case SuppressionSettings.Change.Ablate ablate -> 0;
            case SuppressionSettings.Change.Mean mean -> (float) (total[features[i]] / tokens);
            case SuppressionSettings.Change.Scale scale ->
                (float) (scale.factor() * largest(features[i], groups, false));
            case SuppressionSettings.Change.Cap cap ->
                (float) (cap.factor() * largest(features[i], groups, true));
          };
    }
    return values;
  }

  /** A feature's largest activation, in all groups or in those without the attribute. */
  private double largest(int feature, Groups groups, boolean without) {
    double most = 0;
    for (int g = 0; g < largest.length; g++) {
      if (without && groups.with()[g]) continue;
      most = Math.max(most, largest[g][feature]);
    }
    return most;
  }

  /** Features that were ever active. */
  int[] alive() {
    return IntStream.range(0, total.length).filter(f -> total[f] > 0).toArray();
  }

  /** Every image's activations; they must have been asked for. */
  Kept kept() {
    if (kept == null) throw new IllegalStateException("activations were not kept");
    return kept;
  }
}
