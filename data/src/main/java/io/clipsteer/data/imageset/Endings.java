// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.imageset;

import java.util.Locale;
import java.util.Set;

/** What a file's name says about it. */
final class Endings {
  /** Image formats that are not read, and reported as such. */
  private static final Set<String> OTHER_IMAGES =
      Set.of(
          "tif", "tiff", "heic", "heif", "hif", "avif", "jp2", "j2k", "jpx", "jpf", "jxl", "jxr",
          "svg", "svgz", "psd", "ico", "dng", "raw", "cr2", "cr3", "nef", "arw", "orf", "rw2",
          "pbm", "pgm", "ppm", "pnm", "tga", "exr", "hdr", "pcx", "apng", "dib", "jfi", "xcf",
          "eps", "mpo");

  /** What {@code attack} and {@code world generate} note beside the images that they write. */
  private static final Set<String> NOTES =
      Set.of("attacks.jsonl", "factors.jsonl", "manifest.json");

  private Endings() {}

  /** Whether a listing passes over it without a word: hidden by a dot, or this program's notes. */
  static boolean isHidden(String name) {
    return name.startsWith(".") || NOTES.contains(name);
  }

  /** Counts a file that is not an image of the set; one of another image format is named. */
  static void skip(Listing.ListingBuilder listing, String path) {
    String name = path.substring(path.lastIndexOf('/') + 1);
    int dot = name.lastIndexOf('.');
    String ending = dot < 0 ? "" : name.substring(dot + 1).toLowerCase(Locale.ROOT);
    if (OTHER_IMAGES.contains(ending)) {
      listing.name("." + ending + " (format not read)", path);
    } else {
      // An ending is short and plain; all else would make a reason of every file.
      boolean plain = ending.matches("[a-z0-9_-]{1,12}");
      listing.count(plain ? "." + ending : "without an ending");
    }
  }
}
