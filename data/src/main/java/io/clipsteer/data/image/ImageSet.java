// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.image;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import java.io.IOException;
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

/** Pictures and their labels, in an order that is the same at every pass and on every machine. */
public sealed interface ImageSet permits FolderSet, TarSet, TableSet, FileSet, Subset {
  /** Endings that count as pictures, in lower case. */
  SortedSet<String> ENDINGS =
      Collections.unmodifiableSortedSet(
          new TreeSet<>(List.of("jpg", "jpeg", "jpe", "png", "gif", "bmp", "webp")));

  /** Where it comes from, for messages. */
  Path origin();

  /** A new pass from the first picture on. */
  ImageCursor cursor();

  /**
   * The set at {@code path}, by what is there: a {@code .tar}; a {@code .csv} or {@code .tsv}
   * table; a folder of tars; a folder of labelled sub-folders; or a folder of pictures.
   */
  static ImageSet open(Path path) {
    String name = lowerName(path);
    if (!Files.exists(path)) {
      throw new InputException(path, "there is no such file or folder", "Check the path");
    }
    if (!Files.isDirectory(path)) {
      if (name.endsWith(".tar")) return tars(List.of(path));
      if (name.endsWith(".csv") || name.endsWith(".tsv")) return table(path);
      throw new InputException(
          path, "it is no image set", "Give a folder, a .tar, or a .csv or .tsv table");
    }
    try (var children = Files.list(path)) {
      List<Path> files = children.filter(Files::isRegularFile).sorted().toList();
      if (files.stream().anyMatch(f -> isPicture(f.getFileName() + ""))) return folder(path);
      List<Path> tars = files.stream().filter(f -> lowerName(f).endsWith(".tar")).toList();
      return tars.isEmpty() ? labelledFolders(path) : tars(tars);
    } catch (IOException e) {
      throw new InputException(path, "cannot be listed: " + Reasons.of(e), "Check its rights", e);
    }
  }

  /** All pictures below {@code folder}, sorted by path, without labels. */
  static ImageSet folder(Path folder) {
    return new FolderSet(folder, false);
  }

  /** As {@link #folder}; a picture's label is the first sub-folder it lies in. */
  static ImageSet labelledFolders(Path folder) {
    return new FolderSet(folder, true);
  }

  /**
   * The pictures in tar archives, in the archives' order; a label is a member's first folder. With
   * several archives the ids start with the archive's name. Nothing is ever extracted.
   */
  static ImageSet tars(List<Path> archives) {
    return new TarSet(List.copyOf(archives));
  }

  /** The pictures that a table names, relative to the table's own folder. */
  static ImageSet table(Path table) {
    return new TableSet(table, table.toAbsolutePath().normalize().resolveSibling(""));
  }

  /**
   * The pictures that a table names, relative to {@code folder}. The table has a header; the file
   * column is called file, path, filename or image, the label column label, index or class.
   */
  static ImageSet table(Path table, Path folder) {
    return new TableSet(table, folder);
  }

  /**
   * At most {@code most} of these pictures, in the same order: of each label as many as can be, the
   * first ones of it. Tars are left as they are, since all of them would have to be read for their
   * labels, and so are pictures without labels: the first are as good as others.
   */
  default ImageSet spread(long most) {
    if (most == Long.MAX_VALUE || this instanceof TarSet) return this;
    Map<String, List<String>> byLabel = new LinkedHashMap<>();
    long count = 0;
    try (ImageCursor cursor = cursor()) {
      for (ImageItem item = cursor.next(); item != null; item = cursor.next()) {
        byLabel.computeIfAbsent(item.label() + "", l -> new ArrayList<>()).add(item.id());
        count++;
      }
    }
    if (count <= most || byLabel.size() == 1) return this;
    Set<String> chosen = new HashSet<>();
    int longest = byLabel.values().stream().mapToInt(List::size).max().orElse(0);
    for (int rank = 0; rank < longest && chosen.size() < most; rank++) {
      for (List<String> ids : byLabel.values()) {
        if (rank < ids.size() && chosen.size() < most) chosen.add(ids.get(rank));
      }
    }
    return new Subset(this, chosen);
  }

  /** Whether a file of that name counts: a picture's ending, and not hidden. */
  static boolean isPicture(String name) {
    int dot = name.lastIndexOf('.');
    return dot > 0
        && name.charAt(0) != '.'
        && ENDINGS.contains(name.substring(dot + 1).toLowerCase(Locale.ROOT));
  }

  private static String lowerName(Path path) {
    return (path.getFileName() + "").toLowerCase(Locale.ROOT);
  }

  /** Refuses what could name a file outside the set: absolute, or with "..". */
  static String inside(Object where, String name) {
    boolean absolute = name.startsWith("/") || name.startsWith("\\") || name.matches("[A-Za-z]:.*");
    boolean climbs = false;
    for (String part : name.split("[/\\\\]", -1)) climbs |= part.equals("..");
    if (absolute || climbs || name.isEmpty() || name.indexOf('\0') >= 0) {
      throw new InputException(
          where, "it names '" + name + "', which leaves its folder", "Use relative names below it");
    }
    return name;
  }
}
