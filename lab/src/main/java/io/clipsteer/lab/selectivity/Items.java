// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.selectivity;

/**
 * What a head answers for: every patch of an image, or the image.
 *
 * @param images number of images
 * @param each items of an image: its patches, or 1
 * @param tokens of an image
 * @param prefix how many of the tokens come before the patches
 */
record Items(int images, int each, int tokens, int prefix) {
  static Items of(KeptImages kept, boolean patches) {
    return new Items(kept.images(), patches ? kept.patches() : 1, kept.each(), kept.prefix());
  }

  int count() {
    return images * each;
  }

  /** The item that a token belongs to, −1 for a token before the patches. */
  int of(int token) {
    int image = token / tokens;
    if (each == 1) return image;
    int patch = token % tokens - prefix;
    return patch < 0 ? -1 : image * each + patch;
  }

  int image(int item) {
    return item / each;
  }
}
