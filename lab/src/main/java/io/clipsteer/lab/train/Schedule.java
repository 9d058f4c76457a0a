// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.train;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.Locale;

/**
 * How long a training is, and how learning rate and sparsity penalty change over it.
 *
 * @param trainTokens tokens to train on, repetitions counted
 * @param batch tokens per step
 * @param learningRate the highest
 * @param shape how the learning rate ends
 * @param warmUp steps of linear rise, or −1 for a twentieth of all
 * @param sparsityWarmUp share of all steps over which the penalty rises linearly, 0 to 1
 */
public record Schedule(
    long trainTokens,
    int batch,
    double learningRate,
    @JsonProperty("schedule") Shape shape,
    int warmUp,
    double sparsityWarmUp) {
  private static final double WARM_UP = 0.05;
  private static final double DECAY_SHARE = 0.2;

  /** What follows the warm-up. */
  public enum Shape {
    /** The full rate to the end. */
    CONSTANT,
    /** Half a cosine down to 0. */
    COSINE,
    /** The full rate, and over the last fifth linearly down to 0. */
    LINEAR;

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /** Number of updates. */
  public long steps() {
    return Math.max(1, trainTokens / batch);
  }

  /**
   * The learning rate.
   *
   * @param step from 0
   */
  double rate(long step) {
    long total = steps();
    double rise = warmUp < 0 ? WARM_UP * total : warmUp;
    double up = Math.min(1, (step + 1) / Math.max(1, rise));
    double down =
        switch (shape) {
          case CONSTANT -> 1;
          case LINEAR -> Math.min(1, (total - step) / (DECAY_SHARE * total));
          case COSINE -> {
            double done = Math.clamp((step - rise) / Math.max(1, total - rise), 0, 1);
            yield 0.5 * (1 + Math.cos(Math.PI * done));
          }
        };
    return learningRate * Math.min(up, down);
  }

  /** Factor of the sparsity penalty. */
  double sparsity(long step) {
    if (sparsityWarmUp == 0) return 1;
    return Math.min(1, (step + 1) / (sparsityWarmUp * steps()));
  }
}
