// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.reproduce;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import io.clipsteer.data.TextFile;
import io.clipsteer.data.image.ImageDecoder;
import io.clipsteer.data.image.LabelMap;
import io.clipsteer.data.imageset.ImageCursor;
import io.clipsteer.data.imageset.ImageItem;
import io.clipsteer.data.imageset.ImageSet;
import io.clipsteer.data.table.TableRows;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * ADE20K's scene parsing set as it is given out, with class names of {@code objectInfo150.txt}; or
 * a set of one's own in its place.
 *
 * @param ade whether it is ADE20K's layout
 */
record AdeFolder(Path place, boolean ade) {
  /** Number of the paper's image with sand, among the training images in the order of names. */
  private static final int SAND = 3122;

  private static final String CLASSES = "classes.txt";

  static AdeFolder of(Path place) {
    if (Files.isDirectory(place.resolve("annotations"))) return new AdeFolder(place, true);
    if (Files.isDirectory(place.resolve("train/masks"))) return new AdeFolder(place, false);
    throw new InputException(
        place,
        "it has neither annotations/training nor train/masks",
        "Unpack ADEChallengeData2016 there");
  }

  String into(PreparedSets sets) {
    return ade ? scenes(sets) : own(sets);
  }

  private String scenes(PreparedSets sets) {
    List<String> names = names();
    LinkedFolder folder = new LinkedFolder(sets.folder("ade20k"));
    folder.link("images", place.resolve("images"));
    folder.link("annotations", place.resolve("annotations"));
    folder.text(CLASSES, String.join("\n", names) + "\n");
    Path made = folder.make();
    sets.put("ade-train", "ade20k:" + made + ":training");
    sets.put("ade-val", "ade20k:" + made + ":validation");
    sets.put("ignore");
    return classes(sets, names, made.resolve("images/training"));
  }

  /** First names; where one is taken, with the second name behind it. */
  private List<String> names() {
    Path own = place.resolve(CLASSES);
    if (Files.exists(own)) return TextFile.lines(own).stream().map(String::strip).toList();
    List<String> names = new ArrayList<>();
    try (TableRows rows = TableRows.open(tabs(place.resolve("objectInfo150.txt")))) {
      int column = rows.column("Name");
      for (List<String> row = rows.next(); row != null; row = rows.next()) {
        String[] all = row.get(column).split(",");
        String name = all[0].strip();
        for (int k = 1; names.contains(name); k++) {
          String more = k < all.length ? all[k].strip() : String.valueOf(k);
          name = all[0].strip() + " (" + more + ")";
        }
        names.add(name);
      }
    }
    return names;
  }

  private static Path tabs(Path file) {
    if (Files.isRegularFile(file)) return file;
    throw new InputException(file, "there is no such file", "Unpack ADEChallengeData2016 again");
  }

  private String own(PreparedSets sets) {
    String validation = Files.isDirectory(place.resolve("val")) ? "val" : "validation";
    sets.put("ade-train", "segmentation:" + place + ":train");
    sets.put("ade-val", "segmentation:" + place + ":" + validation);
    List<String> names =
        TextFile.lines(place.resolve(CLASSES)).stream()
            .map(String::strip)
            .filter(name -> !name.isEmpty())
            .toList();
    String none = without(names.size(), place.resolve("train/masks"));
    if (none.isEmpty()) sets.put("ignore");
    else sets.put("ignore", "--ignore", none);
    String note = classes(sets, names, place.resolve("train/images"));
    return "in the place of ADE20K: " + place.getFileName() + (note.isEmpty() ? "" : "; " + note);
  }

  /** Mask values beyond the classes, separated by commas. */
  private static String without(int classes, Path masks) {
    Set<Integer> values = new TreeSet<>();
    try (Stream<Path> files = Files.list(masks)) {
      for (Path file : files.filter(f -> f.toString().endsWith(".png")).toList()) {
        LabelMap map = ImageDecoder.labels(file);
        int[] counts = map.counts();
        for (int v = classes; v < counts.length; v++) if (counts[v] > 0) values.add(v);
      }
    } catch (IOException e) {
      throw new InputException(masks, "cannot be listed: " + Reasons.of(e), "Check it", e);
    }
    return values.stream().map(String::valueOf).collect(Collectors.joining(","));
  }

  private static String classes(PreparedSets sets, List<String> names, Path training) {
    List<String> notes = new ArrayList<>();
    boolean sand = new HashSet<>(names).contains("sand");
    sets.put("sand", sand ? "sand" : names.getFirst());
    if (!sand) notes.add("no class sand: " + names.getFirst() + " stands in");
    List<String> images = new ArrayList<>();
    try (ImageCursor all = ImageSet.folder(training).cursor()) {
      for (ImageItem item = all.next(); item != null; item = all.next()) images.add(item.id());
    }
    boolean there = images.size() > SAND;
    if (!there) notes.add("no training image " + SAND + ": the first stands in");
    sets.put("ade-image", training.resolve(images.get(there ? SAND : 0)).toString());
    sets.met("ade-image");
    return String.join("; ", notes);
  }
}
