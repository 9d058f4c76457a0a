// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * What is known to be on pictures: each has any number of labels, a label is a factor with a value
 * ({@code colour}, {@code red}). From a table, from a world's {@code factors.jsonl}, or from class
 * folders while the pictures pass.
 */
public final class Labels {
  /**
   * One label.
   *
   * @param factor a column's name
   * @param value a cell's text
   */
  public record Label(String factor, String value) {}

  private static final Set<String> FILE = Set.of("file", "path", "filename", "image");
  private static final int MOST = 20_000;
  private static final int[] NONE = {};

  private final Object where;
  private final boolean folders;
  private final List<Label> all = new ArrayList<>();
  private final Map<Label, Integer> numbers = new HashMap<>();
  private final Map<String, int[]> byId = new HashMap<>();

  private Labels(Object where, boolean folders) {
    this.where = where;
    this.folders = folders;
  }

  /** Class folders or a set's own labels, under the factor {@code class}. */
  public static Labels ofClasses() {
    return new Labels("the pictures", true);
  }

  /**
   * Reads a table of tab-separated cells with a header, or a {@code .jsonl} as {@code world
   * generate} writes it. The column {@code file} (path, filename, image) names the picture as the
   * set does; every other column is a factor, an empty cell means that the picture has none of its
   * values. A picture may have several rows. Pictures that are not in it take no part in
   * associations.
   *
   * @throws InputException when it is no such table, or has more than 20,000 labels
   */
  public static Labels read(Path file) {
    Labels labels = new Labels(file, false);
    String name = (file.getFileName() + "").toLowerCase(Locale.ROOT);
    try (BufferedReader reader = Files.newBufferedReader(file)) {
      if (name.endsWith(".jsonl")) labels.readFactors(reader);
      else labels.readTable(reader);
    } catch (IOException e) {
      boolean absent = !Files.exists(file);
      throw new InputException(
          file,
          absent ? "there is no such file" : "cannot be read as UTF-8 text: " + Reasons.of(e),
          absent ? "Check the path" : "Check the file",
          e);
    }
    if (labels.byId.isEmpty()) throw new InputException(file, "names no picture", "Fill it");
    return labels;
  }

  private void readTable(BufferedReader reader) throws IOException {
    String first = reader.readLine();
    if (first == null) return;
    String[] columns = first.replace("\uFEFF", "").split("\t", -1);
    int id = -1;
    for (int c = 0; c < columns.length; c++) {
      columns[c] = columns[c].strip();
      if (id < 0 && FILE.contains(columns[c].toLowerCase(Locale.ROOT))) id = c;
    }
    if (id < 0 || columns.length < 2) {
      throw new InputException(
          where,
          "its first line is no header with a column file and one for a label",
          "Write a line such as file<tab>colour above the rows");
    }
    int number = 1;
    for (String line = reader.readLine(); line != null; line = reader.readLine()) {
      number++;
      if (line.isEmpty()) continue;
      String[] cells = line.split("\t", -1);
      if (cells.length != columns.length) {
        throw new InputException(
            where + ", line " + number,
            "it has " + cells.length + " columns instead of " + columns.length,
            "Complete or delete it");
      }
      List<Label> found = new ArrayList<>();
      for (int c = 0; c < cells.length; c++) {
        String value = cells[c].strip();
        if (c != id && !value.isEmpty()) found.add(new Label(columns[c], value));
      }
      add(cells[id].strip(), found);
    }
  }

  private void readFactors(BufferedReader reader) throws IOException {
    int number = 0;
    for (String line = reader.readLine(); line != null; line = reader.readLine()) {
      number++;
      if (line.isBlank()) continue;
      try {
        JsonNode node = JsonMapper.shared().readTree(line);
        String file = node.path("file").asString("");
        JsonNode factors = node.path("factors");
        if (file.isEmpty() || !factors.isObject()) {
          throw new InputException(
              where + ", line " + number, "has no file and factors", "Generate the set again");
        }
        List<Label> found = new ArrayList<>();
        add(found, "picture", node.path("kind"));
        factors.properties().forEach(p -> add(found, p.getKey(), p.getValue()));
        add(file, found);
      } catch (JacksonException e) {
        throw new InputException(
            where + ", line " + number, "is no JSON", "Generate the set again", e);
      }
    }
  }

  /** Constants become words; of what is written the text counts; of yes and no, yes. */
  private static void add(List<Label> found, String factor, JsonNode value) {
    if (value.isString()) {
      found.add(new Label(factor, value.asString().toLowerCase(Locale.ROOT).replace('_', ' ')));
    } else if (value.isBoolean()) {
      if (value.asBoolean()) found.add(new Label(factor, "yes"));
    } else if (value.isInt()) {
      found.add(new Label(factor, value.asString()));
    } else if (value.isObject()) {
      add(found, factor, value.path("text"));
    }
  }

  private void add(String id, List<Label> found) {
    int[] before = byId.getOrDefault(id, NONE);
    int[] more = Arrays.copyOf(before, before.length + found.size());
    int at = before.length;
    for (Label label : found) more[at++] = number(label);
    byId.put(id, Arrays.stream(more).sorted().distinct().toArray());
  }

  private int number(Label label) {
    Integer known = numbers.get(label);
    if (known != null) return known;
    if (all.size() == MOST) {
      throw new InputException(
          where,
          "has more than " + MOST + " labels; the one beyond is " + label.factor(),
          "Leave out columns that are different for every picture");
    }
    numbers.put(label, all.size());
    all.add(label);
    return all.size() - 1;
  }

  /**
   * A picture's labels, rising, each once; null when nothing is known of it.
   *
   * @param folder the class the set itself gives, or null
   */
  int @Nullable [] of(String id, @Nullable String folder) {
    if (!folders) return byId.get(id);
    return folder == null ? null : new int[] {number(new Label("class", folder))};
  }

  /** All that occurred so far; a label's number is its place. */
  List<Label> all() {
    return List.copyOf(all);
  }
}
