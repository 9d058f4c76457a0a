// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

import io.clipsteer.data.InputException;
import io.clipsteer.data.TextFile;
import io.clipsteer.data.imageset.ImageSet;
import io.clipsteer.data.imageset.ImageTable;
import io.clipsteer.data.imageset.JoinReport;
import io.clipsteer.data.json.JsonFile;
import io.clipsteer.data.table.TableRows;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;

/**
 * Labels of images. An image has any number of labels; a label is a factor with a value ({@code
 * colour}, {@code red}). Labels come from a table, from a world's {@code factors.jsonl}, or from
 * class folders during the pass.
 */
public final class Labels {
  /**
   * One label.
   *
   * @param factor a column's name
   * @param value a cell's text
   */
  public record Label(String factor, String value) {}

  private static final int MOST = 20_000;
  private static final int[] NONE = {};

  private final Object where;
  private final boolean folders;
  private final List<Label> all = new ArrayList<>();
  private final Map<Label, Integer> numbers = new HashMap<>();
  private final Map<String, int[]> byKey = new HashMap<>();
  private final Map<String, Integer> lines = new LinkedHashMap<>();
  private final List<String> repeated = new ArrayList<>();
  private String columns = "";
  private long rows;
  private long empty;

  private Labels(Object where, boolean folders) {
    this.where = where;
    this.folders = folders;
  }

  /** Class folders or a set's own labels, under the factor {@code class}. */
  public static Labels ofClasses() {
    return new Labels("the images", true);
  }

  /**
   * Reads a table with a header, or a {@code .jsonl} as {@code world generate} writes it. A column
   * of {@link ImageTable#FILE} names the image as the set does; every other column with a name is a
   * factor; an empty cell is counted and gives no label. An image may have several rows, whose
   * labels add up. Images without a row take no part in associations.
   *
   * @throws InputException when it is no such table, or has more than 20,000 labels
   */
  public static Labels read(Path file) {
    Labels labels = new Labels(file, false);
    String name = (file.getFileName() + "").toLowerCase(Locale.ROOT);
    if (name.endsWith(".jsonl")) labels.readFactors(file);
    else labels.readTable(file);
    if (labels.byKey.isEmpty()) throw new InputException(file, "names no image", "Fill it");
    return labels;
  }

  private void readTable(Path file) {
    try (TableRows rows = TableRows.open(file)) {
      int id = rows.column(ImageTable.FILE.toArray(String[]::new));
      List<String> names = rows.names();
      List<String> factors = new ArrayList<>();
      for (int c = 0; c < names.size(); c++) {
        if (c != id && !names.get(c).isEmpty()) factors.add(names.get(c));
      }
      if (factors.isEmpty()) {
        throw rows.wrong(
            "it has no column for a label", "Write a line such as file<tab>colour above the rows");
      }
      int unnamed = names.size() - 1 - factors.size();
      columns =
          "column %s as the file, %s as factors%s"
              .formatted(
                  names.get(id),
                  String.join(", ", factors),
                  unnamed == 0 ? "" : "; ignored: " + unnamed + " without a name");
      for (List<String> row = rows.next(); row != null; row = rows.next()) {
        List<Label> found = new ArrayList<>();
        for (int c = 0; c < row.size(); c++) {
          String value = row.get(c);
          if (c == id || names.get(c).isEmpty()) continue;
          if (value.isEmpty()) empty++;
          else found.add(new Label(names.get(c), value));
        }
        add(rows.line(), row.get(id), found);
      }
    }
  }

  private void readFactors(Path list) {
    columns = "file, and the factors";
    try (BufferedReader reader = TextFile.reader(list)) {
      readFactors(reader);
    } catch (IOException e) {
      throw TextFile.unreadable(list, e);
    }
  }

  private void readFactors(BufferedReader reader) throws IOException {
    int number = 0;
    for (String line = reader.readLine(); line != null; line = reader.readLine()) {
      number++;
      if (line.isBlank()) continue;
      try {
        JsonNode node = JsonFile.MAPPER.readTree(line);
        String file = node.path("file").asString("");
        JsonNode factors = node.path("factors");
        if (file.isEmpty() || !factors.isObject()) {
          throw new InputException(
              where + ", line " + number, "has no file and factors", "Generate the set again");
        }
        List<Label> found = new ArrayList<>();
        add(found, "image", node.path("kind"));
        factors.properties().forEach(p -> add(found, p.getKey(), p.getValue()));
        add(number, file, found);
      } catch (JacksonException e) {
        throw new InputException(
            where + ", line " + number,
            "is no JSON object, or has a key twice",
            "Generate the set again",
            e);
      }
    }
  }

  /** Constants become words; of a written text its words count; of yes and no, yes. */
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

  private void add(int line, String file, List<Label> found) {
    if (file.isEmpty()) {
      throw new InputException(
          where + ", line " + line, "it names no image", "Complete or delete the row");
    }
    String key = ImageTable.key(file);
    rows++;
    if (lines.putIfAbsent(key, line) != null) repeated.add("line " + line + " (" + file + ")");
    int[] before = byKey.getOrDefault(key, NONE);
    int[] more = Arrays.copyOf(before, before.length + found.size());
    int at = before.length;
    for (Label label : found) more[at++] = number(label);
    byKey.put(key, Arrays.stream(more).sorted().distinct().toArray());
  }

  private int number(Label label) {
    Integer known = numbers.get(label);
    if (known != null) return known;
    if (all.size() == MOST) {
      throw new InputException(
          where,
          "has more than " + MOST + " labels; the one beyond is " + label.factor(),
          "Delete columns that are different for every image");
    }
    numbers.put(label, all.size());
    all.add(label);
    return all.size() - 1;
  }

  /**
   * An image's labels, ascending, each once; null for an image without a row.
   *
   * @param folder the class the set itself gives, or null
   */
  int @Nullable [] of(String id, @Nullable String folder) {
    if (!folders) return byKey.get(ImageTable.key(id));
    return folder == null ? null : new int[] {number(new Label("class", folder))};
  }

  /**
   * How the table's rows meet the images of a set; null where there is no table.
   *
   * @throws InputException when none of its rows names one
   */
  public @Nullable JoinReport join(ImageSet images) {
    if (!(where instanceof Path table)) return null;
    return JoinReport.of(
        new JoinReport.TableSummary(table, columns, rows, repeated, empty, lines),
        images,
        id -> {});
  }

  /**
   * An image's labels; none for an image without a row.
   *
   * @param folder the class the set itself gives, or null
   */
  public List<Label> labels(String id, @Nullable String folder) {
    int[] own = of(id, folder);
    return own == null ? List.of() : Arrays.stream(own).mapToObj(all::get).toList();
  }

  /** All labels so far, by number. */
  List<Label> all() {
    return List.copyOf(all);
  }
}
