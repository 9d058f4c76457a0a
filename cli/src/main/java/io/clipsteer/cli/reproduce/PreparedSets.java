// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.reproduce;

import io.clipsteer.data.InputException;
import io.clipsteer.data.TextFile;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.lab.reproduce.Reproduction;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The sets that a paper needs, as the program's commands read them: where a set's own form is
 * another, a folder of links beside it.
 */
public final class PreparedSets {
  private static final int WORDS = 5000;

  /** What the recipe's placeholders stand for. */
  private final Map<String, List<String>> values = new LinkedHashMap<>();

  /** Why a need is not met, empty where it is. */
  private final Map<String, String> missing = new LinkedHashMap<>();

  private final List<Reproduction.SetState> states = new ArrayList<>();
  private final Path folder;
  private final Path data;

  private PreparedSets(Path data, Path folder) {
    this.data = data;
    this.folder = folder;
  }

  /**
   * Finds the sets of a paper, and prepares those that are there.
   *
   * @param folder for folders of links and small tables
   * @param texts whether the model has a text tower
   * @param library with text embeddings, for a model without; null for none
   */
  public static PreparedSets of(
      String paper, Path data, Path folder, boolean texts, @Nullable Path library) {
    PreparedSets sets = new PreparedSets(data, folder);
    for (SetLayout layout : SetLayout.of(paper)) {
      Path place = layout.find(data);
      if (place == null) {
        String first = String.join(", ", layout.places());
        sets.lacks(layout.name(), "no set " + layout.name() + " in " + data, first);
        continue;
      }
      String note = "";
      try {
        note = sets.prepare(layout.name(), place);
        sets.missing.putIfAbsent(layout.name(), "");
      } catch (InputException e) {
        sets.missing.put(layout.name(), "the set " + layout.name() + ": " + e.getMessage());
        note = String.valueOf(e.getMessage());
      }
      sets.states.add(new Reproduction.SetState(layout.name(), place.toString(), note));
    }
    sets.texts(texts, library);
    return sets;
  }

  private void lacks(String name, String why, String places) {
    missing.put(name, why);
    states.add(new Reproduction.SetState(name, null, "It may be called " + places));
  }

  /** What a set lacks in form is said by the exception. */
  private String prepare(String name, Path place) {
    return switch (name) {
      case "imagenet" -> imageNet(place);
      case "words" -> words(place);
      case "celeba" -> celeba(place);
      case "waterbirds" -> plain(name, place);
      case "cub" -> CubLists.read(place).into(this);
      case "ade20k" -> AdeFolder.of(place).into(this);
      case "saes" -> ReleasedSaes.of(place).into(this);
      default -> WrittenSet.of(name, place, imageNet()).into(this);
    };
  }

  private String plain(String name, Path place) {
    put(name, place.toString());
    return "";
  }

  // ---- what others put in ----------------------------------------------------------------------

  void put(String name, String... words) {
    values.put(name, List.of(words));
  }

  void met(String need) {
    missing.put(need, "");
  }

  void unmet(String need, String why) {
    missing.put(need, why);
  }

  Path folder(String name) {
    return folder.resolve(name);
  }

  /** Writes a small file, and returns it. */
  Path file(String name, String text) {
    Path file = folder.resolve(name);
    if (!Files.exists(file)) AtomicFiles.writeText(file, text);
    return file;
  }

  // ---- sets ------------------------------------------------------------------------------------

  private ImageNetFolders imageNet() {
    Path place = SetLayout.of("steering-clip").getFirst().find(data);
    return new ImageNetFolders(place == null ? data : place, data);
  }

  private String imageNet(Path place) {
    return new ImageNetFolders(place, data).into(this);
  }

  private String words(Path place) {
    List<String> words =
        TextFile.lines(place).stream().map(String::strip).filter(w -> !w.isEmpty()).toList();
    List<String> first = words.subList(0, Math.min(WORDS, words.size()));
    put("words", file("words.txt", String.join("\n", first) + "\n").toString());
    return words.size() < WORDS ? "it has " + words.size() + " words, not 5,000" : "";
  }

  private String celeba(Path place) {
    put("celeba", place.toString());
    Path images =
        Stream.of("img_align_celeba/img_align_celeba", "img_align_celeba", "Img/img_align_celeba")
            .map(place::resolve)
            .filter(Files::isDirectory)
            .findFirst()
            .orElse(null);
    if (images == null) {
      throw new InputException(place, "it has no folder img_align_celeba", "Unpack it there");
    }
    put("celeba-images", images.toString());
    return "";
  }

  /** What answers: words through the text tower, or finished embeddings. */
  private void texts(boolean tower, @Nullable Path library) {
    missing.put("texts", tower ? "" : "the model has no text tower");
    missing.put("text-tower", tower ? "" : "the model has no text tower");
    if (tower) {
      Path classes = folder.resolve(ImageNetFolders.CLASSES);
      if (Files.exists(classes)) {
        Path bare = file("bare.txt", "{}\n");
        put("classes", "--classes-file", classes.toString(), "--templates", bare.toString());
      } else {
        values.put("classes", List.of());
      }
      List<String> words = values.get("words");
      if (words != null) put("vocabulary", "--vocabulary", words.getFirst());
      return;
    }
    if (library == null) {
      values.put("classes", List.of());
      missing.put("words", "the model has no text tower: give --library");
      return;
    }
    put("classes", "--library", library.toString());
    put("vocabulary", "--library", library.toString());
    missing.put("words", "");
  }

  // ---- results ---------------------------------------------------------------------------------

  /** By placeholder. */
  public Map<String, List<String>> values() {
    return new LinkedHashMap<>(values);
  }

  /** Why a need is not met; empty where it is. */
  public String missing(String need) {
    if (need.startsWith("saes-") && !missing.containsKey(need)) return missing("saes");
    return missing.getOrDefault(need, "there is no " + need);
  }

  /** Found and missing, with notes. */
  public List<Reproduction.SetState> states() {
    return List.copyOf(states);
  }
}
