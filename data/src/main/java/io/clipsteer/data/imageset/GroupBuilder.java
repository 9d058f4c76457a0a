// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.imageset;

import io.clipsteer.data.InputException;
import java.io.File;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Gathers a {@link GroupedSet} row by row; only images that are kept are looked for on disk. */
final class GroupBuilder {
  /** Bounds what the list of group sizes takes. */
  private static final long MAX_GROUPS = 1 << 24;

  /** So many missing images are named; more are counted. */
  private static final int NAMED = 20;

  private record Row(String id, String target, String attribute) {}

  private final Path origin;
  private final Path folder;
  private final GroupedSet.GroupSplit split;
  private final Set<String> seen = new HashSet<>();
  private final List<Row> kept = new ArrayList<>();
  private final List<String> missing = new ArrayList<>();
  private String firstMissing = "";
  private Listing listing = Listing.NONE;

  /**
   * @param origin the table or folder that lists the images
   * @param folder what their names are relative to
   */
  GroupBuilder(Path origin, Path folder, GroupedSet.GroupSplit split) {
    this.origin = origin;
    this.folder = folder;
    this.split = split;
  }

  /** Says what was skipped where the images were listed. */
  void listing(Listing listed) {
    listing = listed;
  }

  /** The folder of a set, which must be one. */
  static Path folder(Path dir) {
    if (Files.isDirectory(dir)) return dir;
    throw new InputException(dir, "there is no such folder", "Give the folder of the set");
  }

  /**
   * Adds an image.
   *
   * @param where the row that names it, for messages
   * @param part 0, 1, 2 for training, validation, test
   */
  void add(Object where, String name, String target, String attribute, int part) {
    Path path = path(where, ImageSet.inside(where, name));
    String id = path.toString().replace(File.separatorChar, '/');
    if (!seen.add(id)) {
      throw new InputException(where, "it names '" + id + "' again", "List each image once");
    }
    if (!split.holds(part)) return;
    if (!Files.isRegularFile(folder.resolve(id))) {
      if (missing.isEmpty()) firstMissing = where.toString();
      missing.add(id);
      return;
    }
    kept.add(new Row(id, target, attribute));
  }

  private static Path path(Object where, String name) {
    try {
      return Path.of(name).normalize();
    } catch (InvalidPathException e) {
      throw new InputException(where, "'" + name + "' is no file name", "Correct it", e);
    }
  }

  /** Reports all missing images in one message, so that a set is repaired once. */
  private void requireComplete() {
    if (missing.isEmpty()) return;
    int named = Math.min(NAMED, missing.size());
    String names = "'" + String.join("', '", missing.subList(0, named)) + "'";
    String more = missing.size() > named ? " and " + (missing.size() - named) + " more" : "";
    throw new InputException(
        firstMissing,
        "there is no image " + names + more + " below " + folder,
        "Unpack all images of the set, or correct the names");
  }

  /**
   * The set, which has no members when the split has none; every target and attribute that was
   * added is among those given.
   */
  GroupedSet build(List<String> targets, List<String> attributes) {
    if (seen.isEmpty()) {
      throw new InputException(origin, "it lists no image", "Check that the set is complete");
    }
    requireComplete();
    if ((long) targets.size() * attributes.size() > MAX_GROUPS) {
      throw new InputException(
          origin,
          targets.size()
              + " targets times "
              + attributes.size()
              + " attributes are too many groups",
          "Up to " + MAX_GROUPS + " groups are read; name classes, not single images");
    }
    Map<String, Integer> target = indices(targets);
    Map<String, Integer> attribute = indices(attributes);
    List<GroupedSet.Member> members = new ArrayList<>(kept.size());
    List<FileSet.Listed> files = new ArrayList<>(kept.size());
    for (Row row : kept) {
      int t = target.getOrDefault(row.target, -1);
      int a = attribute.getOrDefault(row.attribute, -1);
      members.add(new GroupedSet.Member(row.id, t, a));
      files.add(new FileSet.Listed(row.id, row.target));
    }
    return new GroupedSet(
        new FileSet(origin, folder, files, listing.of(files.size())), targets, attributes, members);
  }

  private static Map<String, Integer> indices(List<String> names) {
    Map<String, Integer> indices = new HashMap<>();
    for (String name : names) indices.put(name, indices.size());
    return indices;
  }
}
