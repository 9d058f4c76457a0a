// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.imageset;

import io.clipsteer.data.InputException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeSet;

/** Images and their labels, in an order that is the same at every pass and on every machine. */
public sealed interface ImageSet permits FileSet, TarSet, Subset {
  /**
   * Endings that count as images, in lower case. What a file is, its content says; {@code jfif},
   * {@code jif}, {@code pjpeg} and {@code pjp} are JPEG.
   */
  SortedSet<String> ENDINGS =
      Collections.unmodifiableSortedSet(
          new TreeSet<>(
              List.of(
                  "jpg", "jpeg", "jpe", "jfif", "jif", "pjpeg", "pjp", "png", "gif", "bmp",
                  "webp")));

  /** Where it comes from, for messages. */
  Path origin();

  /** A new pass from the first image on; an image that nobody takes the bytes of costs nothing. */
  ImageCursor cursor();

  /** The set that this is a part of, or itself. */
  default ImageSet whole() {
    return this;
  }

  /** What listing the set met. */
  Listing listing();

  /**
   * The set at {@code path}, by what is there: a {@code .tar}; a {@code .csv} or {@code .tsv}
   * table; a folder of tars; a folder of labelled sub-folders; or a folder of images. A few images
   * beside sub-folders with more images have no label (see {@link FolderListing#byClass}).
   *
   * @throws InputException when there is no such set, or it has no image
   */
  static ImageSet open(Path path) {
    String name = (path.getFileName() + "").toLowerCase(Locale.ROOT);
    if (!Files.exists(path)) {
      boolean broken = Files.isSymbolicLink(path);
      throw new InputException(
          path,
          broken ? "it is a link that leads nowhere" : "there is no such file or folder",
          "Check the path");
    }
    if (!Files.isDirectory(path)) {
      if (name.endsWith(".tar")) return TarSet.of(path, List.of(path), Listing.NONE);
      if (name.endsWith(".csv") || name.endsWith(".tsv")) return table(path);
      throw new InputException(
          path, "it is no image set", "Give a folder, a .tar, or a .csv or .tsv table");
    }
    FolderListing found = FolderListing.of(path);
    List<Path> archives = found.archives();
    return archives.isEmpty() ? found.byClass() : TarSet.of(path, archives, found.besideArchives());
  }

  /** All images below {@code folder}, sorted by path, without labels. */
  static ImageSet folder(Path folder) {
    return FolderListing.of(folder).unlabelled();
  }

  /**
   * The images that a table names, relative to the table's own folder, in its order; columns as
   * {@link ImageTable} takes them.
   */
  static ImageSet table(Path table) {
    Path folder = table.toAbsolutePath().normalize().resolveSibling("");
    return ImageTable.read(table, ImageTable.LABEL).set(folder);
  }

  /**
   * At most {@code most} of these images, in the same order: of each label as many as can be, the
   * first ones of it; those without a label only where the others are too few. Of sets without
   * labels the first are as good as others.
   */
  default ImageSet spread(long most) {
    if (most == Long.MAX_VALUE) return this;
    Map<String, List<String>> byLabel = new LinkedHashMap<>();
    List<String> unlabelled = new ArrayList<>();
    long count = 0;
    try (ImageCursor cursor = cursor()) {
      for (ImageItem item = cursor.next(); item != null; item = cursor.next()) {
        String label = item.label();
        List<String> own =
            label == null ? unlabelled : byLabel.computeIfAbsent(label, l -> new ArrayList<>());
        own.add(item.id());
        count++;
      }
    }
    if (count <= most || byLabel.size() + (unlabelled.isEmpty() ? 0 : 1) == 1) return this;
    Set<String> chosen = new HashSet<>();
    int longest = byLabel.values().stream().mapToInt(List::size).max().orElse(0);
    for (int rank = 0; rank < longest && chosen.size() < most; rank++) {
      for (List<String> ids : byLabel.values()) {
        if (rank < ids.size() && chosen.size() < most) chosen.add(ids.get(rank));
      }
    }
    for (String id : unlabelled) if (chosen.size() < most) chosen.add(id);
    return new Subset(this, chosen);
  }

  /** The images of some ids, in the same order. */
  default ImageSet only(Set<String> ids) {
    return new Subset(this, ids);
  }

  /** Whether a file of that name counts: an image's ending, and not hidden. */
  static boolean isImage(String name) {
    int dot = name.lastIndexOf('.');
    return dot > 0
        && name.charAt(0) != '.'
        && ENDINGS.contains(name.substring(dot + 1).toLowerCase(Locale.ROOT));
  }

  /** Refuses what could name a file outside the set: absolute, or with "..". */
  static String inside(Object where, String name) {
    boolean absolute = name.startsWith("/") || name.startsWith("\\") || name.matches("[A-Za-z]:.*");
    boolean climbs = false;
    for (String part : name.split("[/\\\\]", -1)) climbs |= part.equals("..");
    String fault =
        name.isEmpty()
            ? "which is empty"
            : name.indexOf('\0') >= 0
                ? "which holds a NUL character"
                : absolute ? "an absolute name" : climbs ? "with '..' in it" : null;
    if (fault == null) return name;
    throw new InputException(
        where, "it names '" + name + "', " + fault, "Use names relative to the set's folder");
  }
}
