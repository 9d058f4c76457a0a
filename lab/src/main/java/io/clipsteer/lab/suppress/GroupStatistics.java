// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.edit.EncodedTokens;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SparseCode;
import io.clipsteer.lab.study.Groups;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Statistics of an SAE's features and of the residual that the SAE reads, by group of training
 * images.
 */
final class GroupStatistics {
  private final Sae sae;
  private final double[][] codes;
  private final double[][] squares;
  private final double[][] residuals;
  private final int[] images;
  private final float[][] largest;
  private final double[] total;
  private final double @Nullable [] products;
  private final @Nullable ImageActivations kept;
  private long tokens;

  /**
   * Holds nothing yet.
   *
   * @param kept takes every image's activations, or null
   * @param covariance whether the residual's covariance is wanted
   */
  GroupStatistics(Sae sae, int groups, @Nullable ImageActivations kept, boolean covariance) {
    this.sae = sae;
    codes = new double[groups][sae.features()];
    squares = new double[groups][sae.features()];
    residuals = new double[groups][sae.width()];
    images = new int[groups];
    largest = new float[groups][sae.features()];
    total = new double[sae.features()];
    this.kept = kept;
    products = covariance ? new double[sae.width() * sae.width()] : null;
  }

  /** Adds a batch whose i-th image belongs to group {@code group[i]}. */
  void add(EncodedTokens batch, int[] group) {
    int t = batch.tokens();
    int d = sae.width();
    float[] rows = batch.rows().reshape(-1, t, d).mean(1, false).contiguous().toFloats();
    SparseCode code = batch.encoded(sae).code();
    var numbers = code.indices().segment();
    var values = code.values().segment();
    double[] sums = new double[sae.features()];
    int[] active = new int[sae.features()];
    for (int i = 0; i < group.length; i++) {
      int count = 0;
      for (int e = code.starts()[i * t]; e < code.starts()[(i + 1) * t]; e++) {
        float value = values.getAtIndex(ValueLayout.JAVA_FLOAT, e);
        if (value == 0) continue;
        int feature = numbers.getAtIndex(ValueLayout.JAVA_INT, e);
        if (sums[feature] == 0) active[count++] = feature;
        sums[feature] += value;
        squares[group[i]][feature] += (double) value * value / t;
        largest[group[i]][feature] = Math.max(largest[group[i]][feature], value);
      }
      int g = group[i];
      images[g]++;
      for (int j = 0; j < d; j++) residuals[g][j] += rows[i * d + j];
      if (kept != null) kept.add(g, active, count, sums, t);
      for (int c = 0; c < count; c++) {
        int feature = active[c];
        codes[g][feature] += sums[feature] / t;
        total[feature] += sums[feature];
        sums[feature] = 0;
      }
    }
    tokens += (long) group.length * t;
    if (products != null) addProducts(batch.rows(), products);
  }

  private static void addProducts(Tensor rows, double[] products) {
    try (Scope scope = Scope.open()) {
      Tensor wide = rows.to(DType.F64);
      double[] batch = wide.transpose(0, 1).matmul(wide).toDoubles();
      for (int j = 0; j < batch.length; j++) products[j] += batch[j];
    }
  }

  Sae sae() {
    return sae;
  }

  /** Images of each group. */
  int[] images() {
    return images;
  }

  /** Each feature's mean activation with the attribute minus without. */
  double[] featureDifference(Groups groups) {
    return groups.difference(codes, images, 1);
  }

  /** Each feature's mean activation with the attribute. */
  double[] featureMeans(Groups groups) {
    return groups.difference(codes, images, 0);
  }

  /** Each residual coordinate's mean with the attribute minus without. */
  double[] residualDifference(Groups groups) {
    return groups.difference(residuals, images, 1);
  }

  /**
   * How far ablating each feature is expected to move images with the attribute towards the same
   * images without it, less how far it moves images without: {@code |d|²(E₊[a²] − 3·E₋[a²])}, means
   * over tokens. Ablation removes {@code a·d} from a token x and {@code b·d} from the same token y
   * without the attribute; the squared distances to y fall by {@code 2a·d·(x − y) − a²|d|²} and by
   * {@code −b²|d|²}. Their sum is the above where {@code d·(x − y) ≈ (a − b)|d|²} and {@code E[ab]
   * ≈ E[b²]}, since whatever is unrelated to the attribute is in both.
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
      for (var side : List.of(stratum.with(), stratum.without())) {
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

  /**
   * The projections that remove the attribute linearly, from the covariance of all tokens.
   *
   * @throws IllegalStateException when the covariance was not wanted
   */
  LinearErasure erasure(Groups groups) {
    if (products == null) throw new IllegalStateException("products were not summed");
    int d = sae.width();
    double[] mean = residualMeans();
    double[] covariance = new double[d * d];
    for (int i = 0; i < d; i++) {
      for (int j = 0; j < d; j++) {
        covariance[i * d + j] = products[i * d + j] / tokens - mean[i] * mean[j];
      }
    }
    return new LinearErasure(residualDifference(groups), covariance, centre(groups));
  }

  /** The activations that an edit sets the features to. */
  float[] values(int[] features, Groups groups, SuppressionSettings.Change change) {
    float[] values = new float[features.length];
    for (int i = 0; i < values.length; i++) {
      values[i] =
          switch (change.rule()) {
            case ABLATE -> 0;
            case MEAN -> (float) (total[features[i]] / tokens);
            case SCALE -> (float) (change.factor() * largest(features[i], groups, false));
            case CAP -> (float) (change.factor() * largest(features[i], groups, true));
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

  /** Features that were active at least once. */
  int[] alive() {
    return IntStream.range(0, total.length).filter(f -> total[f] > 0).toArray();
  }

  /** Each feature's AUROC; the images' activations must have been kept. */
  double[] auroc(Groups groups) {
    if (kept == null) throw new IllegalStateException("activations were not kept");
    return kept.auroc(sae.features(), groups, images);
  }
}
