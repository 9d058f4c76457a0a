// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.reproduce;

import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.WorkFolder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * A folder of links to a set's files: another arrangement of it, without a copy. It appears whole
 * or not at all, and stays where it is there already.
 */
final class LinkedFolder {
  private final Path folder;
  private final Map<String, Path> links = new LinkedHashMap<>();
  private final Map<String, String> texts = new LinkedHashMap<>();

  LinkedFolder(Path folder) {
    this.folder = folder;
  }

  /** Adds a link, unless there is one of that name. */
  void link(String name, Path target) {
    links.putIfAbsent(name, target);
  }

  /** Adds a text file. */
  void text(String name, String text) {
    texts.put(name, text);
  }

  /** Makes the folder. */
  Path make() {
    if (Files.isDirectory(folder)) return folder;
    return WorkFolder.write(
        folder,
        part -> {
          fill(part);
          return folder;
        });
  }

  private void fill(Path part) throws IOException {
    for (Map.Entry<String, String> text : texts.entrySet()) {
      Files.writeString(part.resolve(text.getKey()), text.getValue());
    }
    for (Map.Entry<String, Path> link : links.entrySet()) {
      Path file = part.resolve(link.getKey());
      Files.createDirectories(file.resolveSibling(""));
      try {
        Files.createSymbolicLink(file, link.getValue().toRealPath());
      } catch (UnsupportedOperationException e) {
        throw new InputException(
            folder, "links cannot be made here", "Use another disk for --out", e);
      }
    }
  }
}
