// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.imageset;

import io.clipsteer.data.InputException;
import io.clipsteer.data.TextFile;
import io.clipsteer.data.image.ImageDecoder;
import io.clipsteer.data.image.LabelMap;
import io.clipsteer.data.image.RgbImage;
import io.clipsteer.data.json.JsonFile;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * Images with a label for every pixel. Masks are PNGs of 8 bits with the images' base names.
 *
 * @param images in the order of their names
 * @param masks folder of the masks
 * @param classes names, by number from 0; masks hold {@code number + first}
 * @param first the mask value of class 0
 * @param ignored mask values of pixels without a class
 */
public record SegmentationSet(
    ImageSet images, Path masks, List<String> classes, int first, SortedSet<Integer> ignored) {
  /** The label of a pixel without a class, in masks that were read. */
  public static final int NONE = 255;

  /** Faults that a message names. */
  private static final int NAMED = 10;

  /** Layouts that can be read. */
  public enum MaskLayout {
    /** {@code images/} and {@code masks/}, perhaps below a folder for each split. */
    SEGMENTATION,
    /**
     * ADE20K's scene parsing: {@code images/SPLIT}, {@code annotations/SPLIT}, 0 without a class.
     */
    ADE20K;

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /**
   * Reads {@code segmentation:DIR}, {@code segmentation:DIR:SPLIT}, {@code ade20k:DIR:SPLIT}; null
   * where the text names another layout.
   *
   * @param ignored further mask values without a class
   */
  public static @Nullable SegmentationSet parse(String option, String text, List<Integer> ignored) {
    String[] parts = text.split(":", 3);
    for (MaskLayout layout : MaskLayout.values()) {
      if (parts.length < 2 || !layout.toString().equals(parts[0].toLowerCase(Locale.ROOT))) {
        continue;
      }
      try {
        return read(layout, Path.of(parts[1]), parts.length > 2 ? parts[2] : "", ignored);
      } catch (InvalidPathException e) {
        throw new InputException(option + " " + text, "holds no path", "Correct it", e);
      }
    }
    return null;
  }

  /**
   * Lists a set; no mask is read.
   *
   * @param split folder of the split; empty for none
   */
  static SegmentationSet read(MaskLayout layout, Path dir, String split, List<Integer> ignored) {
    boolean ade = layout == MaskLayout.ADE20K;
    Path images = ade ? dir.resolve("images").resolve(split) : dir.resolve(split).resolve("images");
    Path masks =
        ade ? dir.resolve("annotations").resolve(split) : dir.resolve(split).resolve("masks");
    for (Path folder : List.of(images, masks)) {
      if (Files.isDirectory(folder)) continue;
      String form =
          ade ? "images/SPLIT and annotations/SPLIT" : "images and masks, or SPLIT/images";
      throw new InputException(
          folder, "there is no such folder", "Layout " + layout + " has " + form);
    }
    var none = new TreeSet<>(ignored);
    if (ade) none.add(0);
    else if (none.isEmpty()) none.add(255);
    ImageSet set = ImageSet.folder(images);
    int first = ade ? 1 : 0;
    return new SegmentationSet(set, masks, classes(dir, dir.resolve(split), first), first, none);
  }

  /** The names in classes.txt or classes.json, beside the splits or in one. */
  private static List<String> classes(Path dir, Path part, int first) {
    for (Path folder : List.of(dir, part)) {
      Path text = folder.resolve("classes.txt");
      Path json = folder.resolve("classes.json");
      if (Files.exists(text) && Files.exists(json)) {
        throw new InputException(json, "there is a classes.txt, too", "Remove one of them");
      }
      if (Files.exists(text)) return checked(text, lines(text));
      if (Files.exists(json)) return checked(json, entries(json, first));
    }
    throw new InputException(
        dir.resolve("classes.txt"),
        "there is no such file",
        "Write the name of a class a line, in the order of the masks' values, or classes.json");
  }

  private static List<String> checked(Path file, List<String> names) {
    String remedy = "Write one name for each mask value";
    if (names.size() < 2 || names.size() > 255) {
      throw new InputException(file, "it has " + names.size() + " names, not 2 to 255", remedy);
    }
    SortedSet<String> seen = new TreeSet<>();
    for (String name : names) {
      if (!seen.add(name)) throw new InputException(file, "it has " + name + " twice", remedy);
    }
    return names;
  }

  private static List<String> lines(Path file) {
    return TextFile.lines(file).stream().map(String::strip).filter(n -> !n.isEmpty()).toList();
  }

  /** The names of a JSON array, or of an object {@code {"mask value": "name"}}. */
  private static List<String> entries(Path file, int first) {
    String remedy =
        "Write [\"name\", …] or {\"%d\": \"name\", \"%d\": …}".formatted(first, first + 1);
    JsonNode json = JsonFile.tree(file, remedy);
    if (!json.isArray() && !json.isObject()) {
      throw new InputException(file, "it is no array and no object", remedy);
    }
    List<String> names = new ArrayList<>();
    for (int c = 0; c < json.size(); c++) {
      JsonNode name = json.isArray() ? json.get(c) : json.get(String.valueOf(c + first));
      if (name == null || !name.isString() || name.stringValue().isBlank()) {
        String what = "it has no name for mask value " + (c + first);
        throw new InputException(file, what, remedy);
      }
      names.add(name.stringValue().strip());
    }
    return names;
  }

  /** The mask of an image, by its id. */
  public Path mask(String id) {
    int dot = id.lastIndexOf('.');
    return masks.resolve((dot < 0 ? id : id.substring(0, dot)) + ".png");
  }

  /**
   * Reads all masks.
   *
   * @param of what becomes of a mask, whose classes are numbered from 0, {@link #NONE} without one
   * @return by image id
   * @throws InputException naming all masks that are missing, damaged, of another size than their
   *     image or with a value that is no class
   */
  public <T> Map<String, T> masks(Function<LabelMap, T> of) {
    List<String> ids = new ArrayList<>();
    try (ImageCursor cursor = images.cursor()) {
      for (ImageItem item = cursor.next(); item != null; item = cursor.next()) ids.add(item.id());
    }
    Map<String, T> masks = new ConcurrentHashMap<>();
    SortedMap<String, String> faults = new ConcurrentSkipListMap<>();
    SortedSet<Integer> unknown = new ConcurrentSkipListSet<>();
    ids.parallelStream()
        .forEach(
            id -> {
              try {
                masks.put(id, of.apply(numbered(id, unknown)));
              } catch (InputException e) {
                faults.put(id, e.getMessage() + "");
              }
            });
    if (!faults.isEmpty()) throw refused(faults, unknown);
    return masks;
  }

  private InputException refused(SortedMap<String, String> faults, SortedSet<Integer> unknown) {
    String some =
        faults.values().stream().limit(NAMED).map(String::strip).collect(Collectors.joining("; "));
    String more = faults.size() > NAMED ? "; and " + (faults.size() - NAMED) + " more" : "";
    return new InputException(
        masks,
        "of its masks " + faults.size() + " cannot be used: " + some + more,
        unknown.isEmpty()
            ? "Correct them, or remove their images"
            : "Pixels without a class: --ignore "
                + unknown.stream().map(String::valueOf).collect(Collectors.joining(",")));
  }

  /** A mask with classes numbered from 0, and 255 for pixels without one. */
  private LabelMap numbered(String id, SortedSet<Integer> unknown) {
    Path file = mask(id);
    if (!Files.exists(file)) throw new InputException(file, "is missing", "Add it");
    LabelMap stored = ImageDecoder.labels(file);
    checkSize(id, file, stored);
    int[] number = new int[256];
    Arrays.fill(number, -1);
    IntStream.range(0, classes.size()).forEach(c -> number[c + first] = c);
    for (int none : ignored) number[none] = NONE;
    int[] counts = stored.counts();
    List<Integer> odd =
        IntStream.range(0, 256).filter(v -> counts[v] > 0 && number[v] < 0).boxed().toList();
    if (!odd.isEmpty()) {
      unknown.addAll(odd);
      throw new InputException(
          file, "has the values " + odd + ", of which no class", "Classes are " + range());
    }
    byte[] labels = stored.labels().clone();
    for (int i = 0; i < labels.length; i++) labels[i] = (byte) number[labels[i] & 255];
    return new LabelMap(stored.width(), stored.height(), labels);
  }

  /** An image that cannot be decoded is skipped by whoever reads it, and has no size. */
  private void checkSize(String id, Path file, LabelMap mask) {
    RgbImage image;
    try {
      image = ImageDecoder.decode(((FileSet) images).folder().resolve(id));
    } catch (InputException e) {
      return;
    }
    if (image.width() == mask.width() && image.height() == mask.height()) return;
    String sizes =
        "%dx%d pixels, its image %dx%d"
            .formatted(mask.width(), mask.height(), image.width(), image.height());
    throw new InputException(file, "has " + sizes, "Draw it in its image's size");
  }

  private String range() {
    return first + " to " + (first + classes.size() - 1);
  }
}
