// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.explorer;

import io.clipsteer.data.InputException;
import io.clipsteer.data.image.ImageDecoder;
import io.clipsteer.data.image.JpegEncoder;
import io.clipsteer.data.image.PilResize;
import io.clipsteer.data.image.RgbImage;
import io.clipsteer.data.imageset.ImageCursor;
import io.clipsteer.data.imageset.ImageItem;
import io.clipsteer.data.imageset.ImageSet;
import io.clipsteer.data.preprocess.Preprocessing;
import io.clipsteer.lab.index.Labels;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.Semaphore;
import org.jspecify.annotations.Nullable;

/**
 * The images that the page shows, by id: those of the set by number, and those that were dropped
 * onto the page. For any thread.
 */
final class ImageShelf {
  /** Pixels of an image that is decoded: what a phone takes, and no bomb. */
  private static final long MOST_PIXELS = 60_000_000;

  /** Images that one request may be about. */
  static final int MOST_ASKED = 2000;

  private static final int KEPT_DROPPED = 32;

  /** Bytes of dropped files that are kept; the newest stays whatever its size. */
  private static final long DROPPED_BYTES = 64 << 20;

  /** Bytes of JPEGs that are kept. */
  private static final long KEPT_BYTES = 64 << 20;

  private static final int DECODERS = 2;

  /**
   * An image of the set.
   *
   * @param name its id in the set, as the index has it
   * @param labels factor and value, "class: tree"
   */
  record ShelfImage(String id, String name, List<String> labels) {}

  /** Some of the images. */
  record ShelfPage(int total, List<ShelfImage> images) {}

  /**
   * Images that were named.
   *
   * @param unknown names that no image has
   */
  record NamedImages(List<ShelfImage> images, List<String> unknown) {}

  private final List<ImageItem> items = new ArrayList<>();
  private final List<ShelfImage> shown = new ArrayList<>();
  private final Map<String, Integer> numbers = new HashMap<>();
  private final SortedMap<String, SortedMap<String, Integer>> factors = new TreeMap<>();
  private final LinkedHashMap<String, byte[]> dropped = new LinkedHashMap<>();
  private final LinkedHashMap<String, byte[]> jpegs = new LinkedHashMap<>(16, 0.75f, true);
  private final Semaphore decoders = new Semaphore(DECODERS, true);
  private final boolean upright;
  private final Path origin;
  private long jpegBytes;
  private long droppedBytes;
  private int drops;

  /**
   * Lists a set.
   *
   * @param labels of its images
   * @param upright whether images are rotated by their EXIF orientation
   */
  ImageShelf(ImageSet set, Labels labels, boolean upright) {
    this.upright = upright;
    origin = Files.isDirectory(set.origin()) ? set.origin() : set.origin().resolveSibling("");
    try (ImageCursor cursor = set.cursor()) {
      for (ImageItem item = cursor.next(); item != null; item = cursor.next()) {
        String id = String.valueOf(items.size());
        List<String> own = new ArrayList<>();
        for (Labels.Label label : labels.labels(item.id(), item.label())) {
          own.add(label.factor() + ": " + label.value());
          factors
              .computeIfAbsent(label.factor(), f -> new TreeMap<>())
              .merge(label.value(), 1, Integer::sum);
        }
        numbers.put(item.id(), items.size());
        items.add(item);
        shown.add(new ShelfImage(id, item.id(), List.copyOf(own)));
      }
    }
  }

  int count() {
    return items.size();
  }

  /** Images of each value of each factor. */
  SortedMap<String, SortedMap<String, Integer>> factors() {
    return factors;
  }

  /** The id of an image that the index names; null where the set does not have it. */
  @Nullable String id(String name) {
    Integer number = numbers.get(name);
    return number == null ? null : number.toString();
  }

  /** An image's name in the set; of a dropped one its id. */
  String name(String id) {
    Integer number = number(id);
    return number == null ? id : items.get(number).id();
  }

  /**
   * The file of an image of the set, for a command; of a dropped one or one in an archive a name to
   * replace.
   */
  String file(String id) {
    Integer number = number(id);
    if (number == null) return "IMAGE";
    Path file = origin.resolve(items.get(number).id());
    return Files.exists(file) ? file.toString() : "IMAGE";
  }

  /**
   * Some images, in the set's order.
   *
   * @param label "factor: value" that they have; null for any
   * @param text part of their names; null for any
   */
  ShelfPage page(@Nullable String label, @Nullable String text, int from, int count) {
    String part = text == null ? "" : text.toLowerCase(Locale.ROOT);
    List<ShelfImage> fitting =
        shown.stream()
            .filter(one -> label == null || one.labels.contains(label))
            .filter(one -> one.name.toLowerCase(Locale.ROOT).contains(part))
            .toList();
    return new ShelfPage(fitting.size(), fitting.stream().skip(from).limit(count).toList());
  }

  /** One image of the set. */
  ShelfPage one(String id) {
    Integer number = number(id);
    return number == null
        ? new ShelfPage(0, List.of())
        : new ShelfPage(1, List.of(shown.get(number)));
  }

  /** The images of some names or ids, in the set's order. */
  NamedImages named(List<String> names) {
    SortedSet<Integer> found = new TreeSet<>();
    List<String> unknown = new ArrayList<>();
    for (String name : names) {
      Integer number = numbers.get(name);
      if (number == null && name.matches("\\d{1,9}")) number = Integer.valueOf(name);
      if (number != null && number < items.size()) found.add(number);
      else unknown.add(name);
    }
    return new NamedImages(found.stream().map(shown::get).toList(), unknown);
  }

  /** Takes an image that a user brought, and returns its id. */
  String drop(byte[] file) {
    decoded(file, "the image");
    synchronized (dropped) {
      String id = "d" + ++drops;
      dropped.put(id, file);
      droppedBytes += file.length;
      while (dropped.size() > KEPT_DROPPED || dropped.size() > 1 && droppedBytes > DROPPED_BYTES) {
        droppedBytes -= dropped.pollFirstEntry().getValue().length;
      }
      return id;
    }
  }

  /** The number of an image of the set; null for a dropped one. */
  private @Nullable Integer number(String id) {
    if (id.matches("\\d{1,9}")) {
      int number = Integer.parseInt(id);
      if (number < items.size()) return number;
    } else if (id.matches("d\\d{1,9}")) {
      return null;
    }
    throw new InputException(
        "the image " + (id.length() > 20 ? id.substring(0, 20) + "…" : id), "is none", "Reload");
  }

  /** An image, decoded. */
  RgbImage decoded(String id) {
    Integer number = number(id);
    if (number != null) return decoded(items.get(number).bytes(), items.get(number).id());
    synchronized (dropped) {
      byte[] file = dropped.get(id);
      if (file != null) return decoded(file, id);
    }
    throw new InputException("the image " + id, "is not kept any more", "Drop it again");
  }

  private RgbImage decoded(byte[] file, String where) {
    decoders.acquireUninterruptibly();
    try {
      return ImageDecoder.decode(file, where, new ImageDecoder.DecodeOptions(MOST_PIXELS, upright));
    } finally {
      decoders.release();
    }
  }

  /**
   * An image as a model sees it, as JPEG; made once.
   *
   * @param side of the longer side at most, in pixels
   */
  byte[] jpeg(String id, Preprocessing shape, int side) {
    String key = id + ' ' + side + ' ' + shape;
    synchronized (jpegs) {
      byte[] known = jpegs.get(key);
      if (known != null) return known;
    }
    RgbImage seen = shape.resizedAndCropped(decoded(id));
    double scale = Math.min(1, (double) side / Math.max(seen.width(), seen.height()));
    int width = Math.max(1, (int) Math.round(seen.width() * scale));
    int height = Math.max(1, (int) Math.round(seen.height() * scale));
    byte[] jpeg =
        JpegEncoder.encode(PilResize.resize(seen, width, height, PilResize.Filter.LANCZOS));
    synchronized (jpegs) {
      if (jpegs.put(key, jpeg) == null) jpegBytes += jpeg.length;
      while (jpegBytes > KEPT_BYTES) jpegBytes -= jpegs.pollFirstEntry().getValue().length;
    }
    return jpeg;
  }
}
