// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.label;

import io.clipsteer.data.stats.RandomOrder;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Machine proxies of human evaluation. A judge's embeddings of images play the annotator. Each task
 * is repeated with random images, and a feature's score is the mean over these draws.
 *
 * <ul>
 *   <li><b>2AFC</b>: which of two query images belongs to nine positive references, and not to nine
 *       negative ones? The score of a query is its mean cosine to the positive references minus its
 *       mean cosine to the negative ones. The positive query should have the larger score. This is
 *       the task of the machine interpretability score (Zimmermann et al. 2024) without its fitted
 *       slope. Chance is 1/2.
 *   <li><b>Intruder</b>: which of five images does not belong to the others? Four are positive, one
 *       is negative. The judge takes the image with the lowest mean cosine to the other four.
 *       Chance is 1/5.
 *   <li><b>Verification</b>: which of two images does the feature's name describe? The judge takes
 *       the one with the larger cosine to the name. Chance is 1/2.
 * </ul>
 *
 * <p>Positive images are drawn from a feature's top images. Negative images are drawn evenly from
 * all images that are not known to activate it. An index knows the top images only, so that a
 * feature may be active on some of the negative images: at most on a share that is its {@code
 * image_frequency}. Equal scores share the point.
 *
 * @param embeddings of the images, unit rows [n,width], row-major
 * @param width of an embedding
 * @param draws of each task and feature
 * @param seed of the draws; those of a feature do not depend on the other features, nor on the
 *     judge
 */
public record Proxies(float[] embeddings, int width, int draws, long seed) {
  /** Fewest top images of a feature that is judged, and fewest negative ones. */
  public static final int FEW = 10;

  private static final int REFERENCES = FEW - 1;
  private static final int MATES = 4;

  /** Features between two reports of progress. */
  private static final int CHUNK = 1024;

  /**
   * A feature to judge.
   *
   * @param key that tells it from all others; it selects the random numbers
   * @param tops its top images, each once
   * @param active images that are known to activate it, ascending, the top images among them
   * @param name the unit embedding of its name [width], or null
   */
  public record ProxySubject(long key, int[] tops, int[] active, float @Nullable [] name) {
    /** The key of an SAE's feature. */
    public static long key(String sae, int id) {
      return (long) sae.hashCode() << 32 | id;
    }
  }

  /**
   * Scores from 0 to 1, all null for a feature with too few images.
   *
   * @param verification null also without a name
   */
  public record ProxyScores(
      @Nullable Double twoAfc, @Nullable Double intruder, @Nullable Double verification) {
    static final ProxyScores NONE = new ProxyScores(null, null, null);
  }

  /**
   * Scores features.
   *
   * @param done takes the number of features after each part of them
   * @return in the features' order
   */
  public List<ProxyScores> scores(List<ProxySubject> subjects, IntConsumer done) {
    ProxyScores[] scores = new ProxyScores[subjects.size()];
    for (int from = 0; from < scores.length; from += CHUNK) {
      List<ProxySubject> part = subjects.subList(from, Math.min(from + CHUNK, scores.length));
      List<ProxyScores> own = part.stream().parallel().map(this::score).toList();
      for (int i = 0; i < own.size(); i++) scores[from + i] = own.get(i);
      done.accept(own.size());
    }
    return List.of(scores);
  }

  /** Whether there are enough top images and enough negative ones. */
  public boolean canJudge(ProxySubject subject) {
    return subject.tops.length >= FEW && images() - subject.active.length >= FEW;
  }

  /** Scores a feature. */
  public ProxyScores score(ProxySubject subject) {
    if (!canJudge(subject)) return ProxyScores.NONE;
    // Seeds that lie side by side would give shifted copies of one sequence.
    var random = new SplittableRandom(new SplittableRandom(seed ^ subject.key).nextLong());
    float[] name = subject.name;
    double choices = 0;
    double intruders = 0;
    double names = 0;
    for (int d = 0; d < draws; d++) {
      choices += twoAfc(tops(subject, random), negatives(subject, FEW, random));
      intruders += intruder(tops(subject, random), negatives(subject, 1, random)[0]);
      // Drawn without a name, too: a name moves no other score.
      int top = tops(subject, random)[0];
      int negative = negatives(subject, 1, random)[0];
      if (name != null) names += point(dot(name, top), dot(name, negative));
    }
    return new ProxyScores(
        choices / draws, intruders / draws, name == null ? null : (Double) (names / draws));
  }

  private int images() {
    return embeddings.length / width;
  }

  private static int[] tops(ProxySubject subject, SplittableRandom random) {
    return RandomOrder.shuffle(subject.tops.clone(), random);
  }

  /** Distinct images that are not known to activate the feature. */
  private int[] negatives(ProxySubject subject, int count, SplittableRandom random) {
    int[] drawn = new int[count];
    Arrays.fill(drawn, -1);
    int found = 0;
    while (found < count) {
      int image = random.nextInt(images());
      if (Arrays.binarySearch(subject.active, image) >= 0) continue;
      if (Arrays.stream(drawn).noneMatch(one -> one == image)) drawn[found++] = image;
    }
    return drawn;
  }

  /** One draw: the last image of each side is the query. */
  private double twoAfc(int[] positive, int[] negative) {
    // A query's mean cosines differ by its product with this sum, up to the factor 1/9.
    float[] axis = new float[width];
    for (int r = 0; r < REFERENCES; r++) {
      add(axis, positive[r], 1);
      add(axis, negative[r], -1);
    }
    return point(dot(axis, positive[REFERENCES]), dot(axis, negative[REFERENCES]));
  }

  /** One draw with the first four positive images. */
  private double intruder(int[] positive, int negative) {
    int[] five = Arrays.copyOf(positive, MATES + 1);
    five[MATES] = negative;
    float[] sum = new float[width];
    for (int image : five) add(sum, image, 1);
    // With itself each image has the cosine 1, which moves no comparison.
    double[] others = new double[MATES + 1];
    for (int i = 0; i < others.length; i++) others[i] = dot(sum, five[i]);
    double lowest = Arrays.stream(others).min().orElseThrow();
    long equal = Arrays.stream(others).filter(one -> one == lowest).count();
    return others[MATES] == lowest ? 1.0 / equal : 0;
  }

  private static double point(double right, double wrong) {
    return right == wrong ? 0.5 : right > wrong ? 1 : 0;
  }

  private void add(float[] to, int image, int sign) {
    int at = image * width;
    for (int j = 0; j < width; j++) to[j] += sign * embeddings[at + j];
  }

  private double dot(float[] with, int image) {
    int at = image * width;
    double sum = 0;
    for (int j = 0; j < width; j++) sum += (double) with[j] * embeddings[at + j];
    return sum;
  }
}
