// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.evaluate;

import io.clipsteer.data.stats.Jackknife;
import io.clipsteer.lab.run.StatePort;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntToDoubleFunction;

/**
 * An SAE's sums over the tokens of 16 groups of images, from which intervals over images follow.
 * The ith image is in group {@code i mod 16}.
 */
final class ImageGroups {
  private static final int GROUPS = Jackknife.GROUPS;

  private final double[] mean;
  private final long[] active = new long[GROUPS];
  private final long[] tokens = new long[GROUPS];
  private final long[] firstActive = new long[GROUPS];
  private final double[] variance = new double[GROUPS];
  private final long[] varianceTokens = new long[GROUPS];
  private final double[][] xx;
  private final double[][] xy;
  private final double[][] yy;
  private int images;

  /**
   * No token yet.
   *
   * @param mean of all tokens that will be added
   */
  ImageGroups(double[] mean) {
    this.mean = mean.clone();
    xx = new double[GROUPS][mean.length];
    xy = new double[GROUPS][mean.length];
    yy = new double[GROUPS][mean.length];
  }

  /**
   * Adds a token.
   *
   * @param x what the SAE read, from {@code at} on
   * @param y its reconstruction
   * @param position among the image's tokens; 0 starts an image
   * @param count active features
   */
  void add(float[] x, float[] y, int at, int position, int count) {
    if (position == 0) images++;
    int g = (images - 1) % GROUPS;
    active[g] += count;
    tokens[g]++;
    if (position == 0) firstActive[g] += count;
    double gap = 0;
    double away = 0;
    for (int j = 0; j < mean.length; j++) {
      double a = x[at + j];
      double b = y[at + j];
      gap += (a - b) * (a - b);
      away += (a - mean[j]) * (a - mean[j]);
      xx[g][j] += a * a;
      xy[g][j] += a * b;
      yy[g][j] += b * b;
    }
    if (away <= 0) return;
    variance[g] += 1 - gap / away;
    varianceTokens[g]++;
  }

  /** Adds the images of the next block. */
  void add(ImageGroups next) {
    for (int g = 0; g < GROUPS; g++) {
      int group = (images + g) % GROUPS;
      active[group] += next.active[g];
      tokens[group] += next.tokens[g];
      firstActive[group] += next.firstActive[g];
      variance[group] += next.variance[g];
      varianceTokens[group] += next.varianceTokens[g];
      for (int j = 0; j < mean.length; j++) {
        xx[group][j] += next.xx[g][j];
        xy[group][j] += next.xy[g][j];
        yy[group][j] += next.yy[g][j];
      }
    }
    images += next.images;
  }

  /** Moves the state to a stream or from it; the mean stays this one's own. */
  void move(StatePort port) {
    port.longs(active);
    port.longs(tokens);
    port.longs(firstActive);
    port.doubles(variance);
    port.longs(varianceTokens);
    for (double[][] sums : List.of(xx, xy, yy)) for (double[] of : sums) port.doubles(of);
    images = port.length(images, Integer.MAX_VALUE);
  }

  /**
   * The intervals that are known, by the number's name.
   *
   * @param first whether an image's first token is its class token, and others follow
   */
  Map<String, Jackknife> intervals(boolean first) {
    Map<String, Jackknife> all = new LinkedHashMap<>();
    put(all, "l0", without -> ratio(active, tokens, without));
    if (first) {
      put(all, "l0_cls", without -> sum(firstActive, without) / kept(without));
      put(
          all,
          "l0_patches",
          without ->
              (sum(active, without) - sum(firstActive, without))
                  / (sum(tokens, without) - kept(without)));
    }
    put(all, "token_mean", without -> sum(variance, without) / sum(varianceTokens, without));
    put(all, "legacy_cosine", this::cosine);
    return all;
  }

  private void put(Map<String, Jackknife> all, String name, IntToDoubleFunction without) {
    if (images == 0) return;
    Jackknife one = Jackknife.of(images, without);
    if (Double.isFinite(one.low()) && Double.isFinite(one.value())) all.put(name, one);
  }

  /** Images that are not in a group. */
  private double kept(int without) {
    int in = without < 0 ? 0 : (images - without + GROUPS - 1) / GROUPS;
    return images - in;
  }

  private double cosine(int without) {
    double total = 0;
    for (int j = 0; j < mean.length; j++) {
      double product = 0;
      double own = 0;
      double other = 0;
      for (int g = 0; g < GROUPS; g++) {
        if (g == without) continue;
        product += xy[g][j];
        own += xx[g][j];
        other += yy[g][j];
      }
      total += product == 0 ? 0 : product / (Math.sqrt(own) * Math.sqrt(other));
    }
    return total / mean.length;
  }

  private static double ratio(long[] above, long[] below, int without) {
    return sum(above, without) / sum(below, without);
  }

  private static double sum(long[] values, int without) {
    double sum = 0;
    for (int g = 0; g < GROUPS; g++) if (g != without) sum += values[g];
    return sum;
  }

  private static double sum(double[] values, int without) {
    double sum = 0;
    for (int g = 0; g < GROUPS; g++) if (g != without) sum += values[g];
    return sum;
  }
}
