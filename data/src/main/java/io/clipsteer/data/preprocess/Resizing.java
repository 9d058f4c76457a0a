// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.preprocess;

import io.clipsteer.data.InputException;

/** To which size an image goes before it is cropped; in pixels, width first. */
public sealed interface Resizing {
  /** The shorter edge gets this length, the longer one keeps the ratio, rounded down. */
  record Shortest(int size) implements Resizing {}

  /** Both edges as given, whatever the ratio; open_clip's "squash". */
  record Exact(int width, int height) implements Resizing {}

  /** Keeps the ratio, so that the image covers the frame; edges rounded half to even. */
  record Cover(int width, int height) implements Resizing {}

  /** Keeps the ratio, so that the image fits into the frame; open_clip says "longest". */
  record Fit(int width, int height) implements Resizing {}

  /** No resizing. */
  record Unchanged() implements Resizing {}

  /** Two lengths in pixels. */
  record PixelSize(int width, int height) {}

  /** The size that an image of {@code w} by {@code h} is resized to. */
  default PixelSize target(int w, int h) {
    return switch (this) {
      case Unchanged() -> new PixelSize(w, h);
      case Exact(int width, int height) -> new PixelSize(width, height);
      case Shortest(int size) -> {
        double longer = (double) ((long) size * Math.max(w, h)) / Math.min(w, h);
        int other = toInt(Math.floor(longer), w, h);
        yield w <= h ? new PixelSize(size, other) : new PixelSize(other, size);
      }
      case Cover(int width, int height) ->
          scaled(w, h, Math.min((double) w / width, (double) h / height));
      case Fit(int width, int height) ->
          scaled(w, h, Math.max((double) w / width, (double) h / height));
    };
  }

  private static PixelSize scaled(int w, int h, double ratio) {
    return new PixelSize(toInt(Math.rint(w / ratio), w, h), toInt(Math.rint(h / ratio), w, h));
  }

  private static int toInt(double length, int w, int h) {
    if (length < 1 || length > Integer.MAX_VALUE / 4) {
      throw new InputException(
          "an image of " + w + "x" + h, "is too long and thin to be resized", "Leave it out");
    }
    return (int) length;
  }
}
