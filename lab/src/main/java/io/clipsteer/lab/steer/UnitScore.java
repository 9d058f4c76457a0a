// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import io.clipsteer.data.InputException;
import io.clipsteer.engine.steer.AnswerShift;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * How a unit steers. With Δ_i(v) the change of word v's probability on image i and m its mean over
 * n images:
 *
 * @param unit the feature, coordinate or random direction
 * @param images n
 * @param s steerability {@code Σ_v m(v)²}; where only some images were evaluated, the value
 *     expected of all
 * @param unbiased {@code Σ_v mean_{i≠j} Δ_i(v)·Δ_j(v)}, which noise does not raise; {@code s} of a
 *     single image
 * @param low lower end of the 95 % interval of what {@code unbiased} estimates
 * @param high upper end
 * @param semantic S that does not split synonyms: {@link Similarity#semantic} of m, of the images
 *     that were evaluated
 * @param power {@code max_v m(v)}
 * @param sigmoid mean change of the sigmoid probability of the word that is promoted most, of the
 *     images that were evaluated; null for models without such, and where no word is promoted
 * @param promoted the words with the largest m above 0, largest first
 * @param suppressed the words with the smallest m below 0, smallest first
 */
public record UnitScore(
    int unit,
    int images,
    double s,
    double unbiased,
    double low,
    double high,
    double semantic,
    double power,
    @Nullable Double sigmoid,
    List<Moved> promoted,
    List<Moved> suppressed) {
  private static final int PROMOTED = 5;
  private static final int SUPPRESSED = 3;

  /**
   * A word that moved.
   *
   * @param word its row in the library
   * @param change m(v)
   */
  public record Moved(int word, double change) {}

  /**
   * A score with the numbers that its layer adds up.
   *
   * @param error standard error of the unbiased form as the value of all images, by the jackknife
   *     over groups; 0 when all were evaluated
   * @param unclipped the unbiased form, perhaps below 0
   * @param deviations of S in the bootstrap's samples, in their order
   * @param name whether a feature's name is raised; {@link Raised#NONE} where it has no name
   */
  record ScoredUnit(
      UnitScore score, double error, double unclipped, double[] deviations, Raised name) {}

  /** Whether the unit is steerable: the differences between few images raise {@code s}. */
  boolean isAbove(double tau) {
    return unbiased > tau;
  }

  /** Row of the word that is promoted most; −1 when none is. */
  public int top() {
    return promoted.isEmpty() ? -1 : promoted.getFirst().word();
  }

  /**
   * Scores a change.
   *
   * @param resamples of the groups of images that were evaluated, a random part of all
   * @param measuring how many images there are, the vocabulary and the names of features
   */
  static ScoredUnit of(int unit, AnswerShift change, Resamples resamples, Measuring measuring) {
    int[] sizes = resamples.sizes();
    int all = measuring.sweep().images();
    int name = measuring.name(unit);
    double n = Arrays.stream(sizes).sum();
    double[] mean = change.total();
    double s = 0;
    for (int w = 0; w < mean.length; w++) {
      mean[w] /= n;
      s += mean[w] * mean[w];
    }
    if (!Double.isFinite(s)) {
      throw new InputException(
          "unit " + unit, "makes answers that are not finite", "Use a smaller --strength");
    }
    // Variance of an image about the mean, which raises s by spread/n.
    double spread = n > 1 ? Math.max(0, (change.squares() - n * s) / (n - 1)) : 0;
    double unbiased = n > 1 ? s - spread / n : s;
    double expected = n < all ? Math.max(0, s - spread * (1 / n - 1.0 / all)) : s;
    double[] gram = change.gram();
    double error = n < all ? jackknife(gram, sizes) * Math.sqrt(1 - n / all) : 0;
    double[] deviations = resamples.deviations(gram);
    double[] sorted = deviations.clone();
    Arrays.sort(sorted);
    int tail = (int) (resamples.tail() * sorted.length);
    double low = Math.max(0, unbiased + sorted[tail]);
    double high = Math.max(0, unbiased + sorted[sorted.length - 1 - tail]);
    List<Moved> promoted = extremes(mean, PROMOTED, 1);
    List<Moved> suppressed = extremes(mean, SUPPRESSED, -1);
    // Changes of probabilities add up to 0: where none is above it, the largest is 0.
    double power = promoted.isEmpty() ? 0 : promoted.getFirst().change();
    float[] sigmoids = change.sigmoids();
    UnitScore score =
        new UnitScore(
            unit,
            (int) n,
            expected,
            Math.max(0, unbiased),
            Math.min(low, Math.max(0, unbiased)),
            high,
            measuring.vocabulary().semantic(mean),
            power,
            sigmoids == null || promoted.isEmpty()
                ? null
                : sigmoids[promoted.getFirst().word()] / n,
            promoted,
            suppressed);
    Raised named = name < 0 ? Raised.NONE : Raised.of(mean, name);
    return new ScoredUnit(score, error, unbiased, deviations, named);
  }

  /** Standard error of s by the jackknife: one group after the other is omitted. */
  private static double jackknife(double[] gram, int[] sizes) {
    int groups = sizes.length;
    if (groups < 2) return Double.POSITIVE_INFINITY;
    double n = Arrays.stream(sizes).sum();
    double total = Arrays.stream(gram).sum();
    double[] left = new double[groups];
    double mean = 0;
    for (int g = 0; g < groups; g++) {
      double row = 0;
      for (int h = 0; h < groups; h++) row += gram[g * groups + h];
      double rest = n - sizes[g];
      left[g] = (total - 2 * row + gram[g * groups + g]) / (rest * rest);
      mean += left[g] / groups;
    }
    double squares = 0;
    for (double one : left) squares += (one - mean) * (one - mean);
    return Math.sqrt((groups - 1.0) / groups * squares);
  }

  /** Words with the largest values times {@code sign}, of those above 0; of equals the lower. */
  private static List<Moved> extremes(double[] values, int most, int sign) {
    int[] best = new int[most];
    int found = 0;
    // A word must exceed 0 at first, then the last of the best.
    double bar = 0;
    for (int w = 0; w < values.length; w++) {
      double value = sign * values[w];
      if (value <= bar) continue;
      int at = found < most ? found++ : most - 1;
      for (; at > 0 && value > sign * values[best[at - 1]]; at--) best[at] = best[at - 1];
      best[at] = w;
      if (found == most) bar = sign * values[best[most - 1]];
    }
    List<Moved> moved = new ArrayList<>();
    for (int k = 0; k < found; k++) moved.add(new Moved(best[k], values[best[k]]));
    return moved;
  }
}
