// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.probe;

import io.clipsteer.data.InputException;
import io.clipsteer.data.imageset.ImageCursor;
import io.clipsteer.data.imageset.ImageItem;
import io.clipsteer.data.imageset.ImageSet;
import io.clipsteer.data.imageset.SegmentationSet;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeSet;

/** Images with known answers. */
public sealed interface ProbeData {
  /** The images. */
  ImageSet images();

  /** Names of the answers, by number. */
  List<String> classes();

  /** What a head on them answers. */
  default Probe.HeadTask task() {
    return this instanceof Pixels ? Probe.HeadTask.SEGMENTATION : Probe.HeadTask.CLASSIFICATION;
  }

  /**
   * A class for each image.
   *
   * @param labels class by image id; images without a label are absent
   */
  record Whole(ImageSet images, List<String> classes, Map<String, Integer> labels)
      implements ProbeData {}

  /** A class for each pixel. */
  record Pixels(SegmentationSet set) implements ProbeData {
    @Override
    public ImageSet images() {
      return set.images();
    }

    @Override
    public List<String> classes() {
      return set.classes();
    }
  }

  /**
   * Reads {@code folder:DIR} (sub-folders are classes), {@code csv:FILE}, {@code
   * segmentation:DIR[:SPLIT]} or {@code ade20k:DIR:SPLIT}.
   *
   * @param option what the text was given to, for the message
   * @param ignored mask values without a class
   */
  static ProbeData parse(String option, String text, List<Integer> ignored) {
    SegmentationSet pixels = SegmentationSet.parse(option, text, ignored);
    if (pixels != null) return new Pixels(pixels);
    int colon = text.indexOf(':');
    String layout = colon < 0 ? "" : text.substring(0, colon).toLowerCase(Locale.ROOT);
    if (!layout.equals("folder") && !layout.equals("csv")) {
      throw new InputException(
          option + " " + text,
          "names no layout",
          "Write folder:DIR, csv:FILE, segmentation:DIR[:SPLIT] or ade20k:DIR:SPLIT");
    }
    try {
      Path path = Path.of(text.substring(colon + 1));
      return whole(layout.equals("csv") ? ImageSet.table(path) : ImageSet.open(path));
    } catch (InvalidPathException e) {
      throw new InputException(option + " " + text, "holds no path", "Correct it", e);
    }
  }

  private static Whole whole(ImageSet images) {
    Map<String, String> labels = new LinkedHashMap<>();
    try (ImageCursor cursor = images.cursor()) {
      for (ImageItem item = cursor.next(); item != null; item = cursor.next()) {
        if (item.label() != null) labels.put(item.id(), item.label());
      }
    }
    List<String> classes = List.copyOf(new TreeSet<>(labels.values()));
    if (classes.size() < 2) {
      throw new InputException(
          images.origin(),
          "its images have " + (classes.isEmpty() ? "no labels" : "one label"),
          "Give sub-folders of two classes or more, or a table with a column label");
    }
    Map<String, Integer> numbers = new LinkedHashMap<>();
    labels.forEach((id, label) -> numbers.put(id, classes.indexOf(label)));
    return new Whole(images, classes, numbers);
  }

  /**
   * The labels renumbered as another set's classes.
   *
   * @throws InputException where a class is not among them
   */
  default ProbeData as(List<String> others) {
    if (classes().equals(others)) return this;
    List<String> unknown = classes().stream().filter(c -> !others.contains(c)).toList();
    if (!unknown.isEmpty() || this instanceof Pixels) {
      String what =
          this instanceof Pixels && classes().size() != others.size()
              ? "it has " + classes().size() + " classes, the probe " + others.size()
              : unknown.isEmpty()
                  ? "its classes are in another order than the probe's"
                  : "the probe has no class " + String.join(", ", unknown);
      String own = "The probe's classes are " + String.join(", ", others);
      throw new InputException(images().origin(), what, own);
    }
    Whole whole = (Whole) this;
    Map<String, Integer> numbers = new LinkedHashMap<>();
    whole.labels.forEach((id, label) -> numbers.put(id, others.indexOf(classes().get(label))));
    return new Whole(whole.images, others, numbers);
  }
}
