// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.report;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.image.ImageDecoder;
import io.clipsteer.data.image.JpegEncoder;
import io.clipsteer.data.image.PilResize;
import io.clipsteer.data.image.RgbImage;
import io.clipsteer.data.imageset.ImageCursor;
import io.clipsteer.data.imageset.ImageItem;
import io.clipsteer.data.preprocess.Preprocessing;
import io.clipsteer.lab.run.Images;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Small JPEGs of images, cropped as the model sees them, so that its patches lie where they lay.
 * Each image is there once, however many features show it.
 *
 * @param positions of the images in {@code jpegs}, by id
 * @param jpegs in base 64
 * @param width of each, in pixels
 * @param height of each, in pixels
 * @param missing images that are not in the set any more, or cannot be read
 */
record Thumbnails(
    Map<String, Integer> positions,
    List<String> jpegs,
    int width,
    int height,
    List<String> missing) {
  /** Sides from large to small; the first at which everything fits is taken. */
  private static final int[] SIDES = {128, 112, 96, 80, 64, 48, 32};

  /** A photo's characters in base 64 at this quality: the first guess. */
  private static double guess(int side) {
    return 850 + 0.36 * side * side;
  }

  /** None. */
  static Thumbnails none() {
    return new Thumbnails(Map.of(), List.of(), 1, 1, List.of());
  }

  /**
   * Reads the images, twice if the first size is too large.
   *
   * @param ids of the images
   * @param budget characters that all of them may take
   * @throws InputException when none of them is in the set, or they cannot be made small enough
   */
  static Thumbnails read(Images images, Set<String> ids, long budget, Progress progress) {
    if (ids.isEmpty()) return none();
    for (int side : SIDES) {
      boolean last = side == SIDES[SIDES.length - 1];
      if (!last && guess(side) * ids.size() > budget) continue;
      Thumbnails all = read(images, ids, side, progress);
      if (all.jpegs.isEmpty()) {
        throw new InputException(
            images.set().origin(),
            "none of the " + ids.size() + " images that the index shows is here",
            "Say with --images where they are, or show none with --no-images");
      }
      if (all.jpegs.stream().mapToLong(String::length).sum() <= budget) return all;
    }
    throw new InputException(
        "report",
        ids.size() + " images do not fit into a page of 25 MB",
        "Show fewer with --features or --exemplars");
  }

  private static Thumbnails read(Images set, Set<String> ids, int side, Progress progress) {
    Preprocessing preprocessing = set.preprocessing();
    double scale =
        Math.min(1, (double) side / Math.max(preprocessing.width(), preprocessing.height()));
    int width = Math.max(1, (int) Math.round(preprocessing.width() * scale));
    int height = Math.max(1, (int) Math.round(preprocessing.height() * scale));
    Map<String, Integer> positions = new LinkedHashMap<>();
    List<String> jpegs = new ArrayList<>();
    List<String> missing = new ArrayList<>();
    try (ImageCursor cursor = set.set().cursor();
        var task = progress.start("reading images", ids.size(), "images")) {
      for (ImageItem item = cursor.next();
          item != null && positions.size() + missing.size() < ids.size();
          item = cursor.next()) {
        if (!ids.contains(item.id()) || positions.containsKey(item.id())) continue;
        try {
          RgbImage image = ImageDecoder.decode(item.bytes(), item.id(), set.options().decoding());
          RgbImage seen = preprocessing.resizedAndCropped(image);
          RgbImage small = PilResize.resize(seen, width, height, PilResize.Filter.LANCZOS);
          jpegs.add(Base64.getEncoder().encodeToString(JpegEncoder.encode(small)));
          positions.put(item.id(), jpegs.size() - 1);
        } catch (InputException e) {
          missing.add(item.id());
        }
        task.advance(1, 0);
      }
    }
    for (String id : ids) if (!positions.containsKey(id) && !missing.contains(id)) missing.add(id);
    return new Thumbnails(positions, jpegs, width, height, missing);
  }
}
