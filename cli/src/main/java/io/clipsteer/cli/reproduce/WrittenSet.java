// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.reproduce;

import io.clipsteer.data.imageset.GroupSource;
import io.clipsteer.data.imageset.GroupedSet;
import io.clipsteer.data.imageset.ImageSet;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;

/**
 * A set of images with words written on them. What is ranked and chosen on, and what has no
 * writing, are ImageNet's images of those classes that the set has as well, so that the answers
 * stay the set's own words.
 *
 * @param words that are seen or written
 */
record WrittenSet(String name, Path place, List<String> words, ImageNetFolders imageNet) {
  /** Images to rank on, and as many to choose on. */
  private static final int IMAGES = 1000;

  static WrittenSet of(String name, Path place, ImageNetFolders imageNet) {
    boolean listed = name.equals("disentangling");
    GroupSource.Layout kind =
        listed ? GroupSource.Layout.DISENTANGLING : GroupSource.Layout.TYPOGRAPHIC;
    GroupedSet all = new GroupSource(kind, place).all();
    return new WrittenSet(name, place, all.targets(), imageNet);
  }

  String into(PreparedSets sets) {
    sets.put(name, place.toString());
    Map<String, Path> train = imageNet.trainByName();
    Map<String, Path> validation = imageNet.validationByName();
    Map<String, Path> common = new LinkedHashMap<>();
    LinkedFolder clean = new LinkedFolder(sets.folder(name + "-clean"));
    for (String word : words) {
      String key = word.toLowerCase(Locale.ROOT);
      Path own = train.get(key);
      Path other = validation.get(key);
      if (own == null || other == null) continue;
      common.put(word, own);
      clean.link(word, other);
    }
    String need = name + "-clean";
    if (common.size() < 2) {
      String why =
          "of the words of "
              + name
              + " "
              + common.size()
              + " are ImageNet classes with training and validation images, and two are needed";
      sets.unmet(need, why);
      return why;
    }
    sets.put(need, clean.make().toString());
    int each = Math.max(2, IMAGES / common.size());
    for (int half = 0; half < 2; half++) {
      String part = name + (half == 0 ? "-a" : "-b");
      LinkedFolder folder = new LinkedFolder(sets.folder(part));
      for (Map.Entry<String, Path> one : common.entrySet()) {
        List<Path> images = images(one.getValue());
        for (int i = half; i < images.size() && i < 2 * each; i += 2) {
          folder.link(one.getKey() + "/" + images.get(i).getFileName(), images.get(i));
        }
      }
      sets.put(part, folder.make().toString());
    }
    Path list = sets.file(name + "-words.txt", String.join("\n", words) + "\n");
    sets.put(name + "-words", list.toString());
    sets.met(need);
    return common.size() + " of its " + words.size() + " words are ImageNet classes";
  }

  private static List<Path> images(Path folder) {
    try (Stream<Path> all = Files.list(folder)) {
      return all.filter(file -> ImageSet.isImage(String.valueOf(file.getFileName())))
          .sorted()
          .toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
