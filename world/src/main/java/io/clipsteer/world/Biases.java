// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.world;

/**
 * The biases of a stream of images and captions.
 *
 * @param blondWomen share of women who are blond
 * @param blondMen share of men who are blond
 * @param birdAtHome share of birds on their kind's usual background
 * @param wordNamed share of captions that name a written word as if it were the thing, where the
 *     two differ
 */
public record Biases(double blondWomen, double blondMen, double birdAtHome, double wordNamed) {
  /** Biased as the web: the stream that the demo CLIP learns from. */
  public static final Biases WEB = new Biases(0.9, 0.03, 0.97, 0.6);

  /** Unbiased: test streams, and the control model's training. */
  public static final Biases NONE = new Biases(0.5, 0.5, 0.5, 0);

  /** Throws IllegalArgumentException for a share outside 0 to 1. */
  public Biases {
    for (double share : new double[] {blondWomen, blondMen, birdAtHome, wordNamed}) {
      if (!(share >= 0 && share <= 1)) throw new IllegalArgumentException("share " + share);
    }
  }
}
