// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.world;

/**
 * How a stream of images and captions leans.
 *
 * @param blondWomen share of women who are blond
 * @param blondMen share of men who are blond
 * @param birdAtHome share of birds before their kind's background
 * @param wordNamed share of captions that name a written word as if it were the thing, where the
 *     two differ
 */
public record Biases(double blondWomen, double blondMen, double birdAtHome, double wordNamed) {
  /** As the web leans: the stream that the demo CLIP learns from. */
  public static final Biases WEB = new Biases(0.9, 0.03, 0.97, 0.6);

  /** No lean: test streams, and the control model's training. */
  public static final Biases NONE = new Biases(0.5, 0.5, 0.5, 0);

  /** Refuses shares outside 0 to 1. */
  public Biases {
    for (double share : new double[] {blondWomen, blondMen, birdAtHome, wordNamed}) {
      if (!(share >= 0 && share <= 1)) throw new IllegalArgumentException("share " + share);
    }
  }
}
