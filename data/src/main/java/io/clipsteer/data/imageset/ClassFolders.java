// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.imageset;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** The first sub-folders of a set's images, which are their labels; and what is odd about them. */
final class ClassFolders {
  /** Sub-folders that are parts of a data set, not classes. */
  private static final Set<String> SPLITS =
      Set.of(
          "train", "training", "val", "valid", "validation", "dev", "test", "testing", "holdout");

  /** So many names are given as examples. */
  private static final int EXAMPLES = 5;

  private final SortedSet<String> classes = new TreeSet<>();
  private final SortedSet<String> nested = new TreeSet<>();
  private final List<String> strays = new ArrayList<>();
  private long strayCount;
  private long inside;

  /** An image's first folder, or null. */
  static @Nullable String of(String id) {
    int slash = id.indexOf('/');
    return slash < 0 ? null : id.substring(0, slash).intern();
  }

  void add(String id) {
    String first = of(id);
    if (first == null) {
      strayCount++;
      if (strays.size() <= EXAMPLES) strays.add(id);
      return;
    }
    inside++;
    classes.add(first);
    int second = id.indexOf('/', first.length() + 1);
    if (second > 0) nested.add(id.substring(0, second));
  }

  /** Names of the folders that have images. */
  SortedSet<String> names() {
    return classes;
  }

  /**
   * Whether the folders are classes: no image lies beside them, or at least two of them have
   * images, together more than lie beside them.
   */
  boolean areClasses() {
    return strayCount == 0 || (classes.size() > 1 && inside > strayCount);
  }

  /**
   * Notes images without a label, and folders that are probably not what was meant.
   *
   * @param root the folder, or null where a part of the set cannot be named
   */
  void note(Listing.ListingBuilder listing, @Nullable Path root) {
    if (classes.isEmpty()) return;
    if (strayCount > 0) {
      listing.note(
          count(strayCount, "image lies", "images lie")
              + " beside the class folders, without a label: "
              + examples(strays));
    }
    if (nested.isEmpty()) return;
    String first = String.valueOf(of(nested.first()));
    String instead = root == null ? "" : "; for these give " + root.resolve(first);
    if (classes.stream().allMatch(c -> SPLITS.contains(c.toLowerCase(Locale.ROOT)))) {
      listing.note(
          "the class folders are called "
              + String.join(", ", classes)
              + ", which look like splits; their sub-folders look like classes"
              + instead);
    } else if (classes.size() == 1 && nested.size() > 1) {
      listing.note(
          "all images are of one class, "
              + first
              + ", whose sub-folders look like classes"
              + instead);
    }
  }

  /** Notes why sub-folders with images are no classes. */
  void noteNoClasses(Listing.ListingBuilder listing) {
    if (classes.isEmpty()) return;
    listing.note(
        "no labels: "
            + count(inside, "image lies", "images lie")
            + " in "
            + count(classes.size(), "sub-folder", "sub-folders")
            + " ("
            + examples(classes)
            + ") and "
            + strayCount
            + " beside; sub-folders are classes when two have images, together more than lie beside"
            + " them");
  }

  static String count(long number, String one, String more) {
    return number + " " + (number == 1 ? one : more);
  }

  static String examples(Collection<String> names) {
    String some =
        names.stream().limit(EXAMPLES).map(Listing::printable).collect(Collectors.joining(", "));
    return names.size() > EXAMPLES ? some + " …" : some;
  }
}
