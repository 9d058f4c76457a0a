// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.checkpoint;

import io.clipsteer.data.InputException;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What timm says by a model's name alone: every constructor argument of its plain vision
 * transformers and of its class Eva, in resources that bench/peers/make_timm_table.py writes from
 * timm 1.0.31.
 */
final class TimmNames {
  private static final Map<String, Map<String, String>> PLAIN = new HashMap<>();
  private static final Map<String, String> OTHER = new HashMap<>();

  static {
    read("timm.tsv");
    read("timm-eva.tsv");
  }

  private final Map<String, String> row;

  private TimmNames(Map<String, String> row) {
    this.row = row;
  }

  /**
   * The arguments of a name.
   *
   * @param where the configuration, for messages
   * @throws InputException when timm has no such name, or builds another class by it
   */
  static TimmNames of(String name, Object where) {
    Map<String, String> row = PLAIN.get(name);
    if (row != null) return new TimmNames(row);
    String other = OTHER.get(name);
    throw new InputException(
        where,
        other == null
            ? "timm 1.0.31 has no model " + name
            : "timm builds " + name + " as " + other + ", no plain vision transformer",
        "Plain vision transformers, EVA-02, DINOv3 and Perception Encoder are supported");
  }

  /** Reads a resource of this package's. */
  static void read(String file) {
    try (InputStream in = TimmNames.class.getResourceAsStream(file)) {
      if (in == null) throw new IllegalStateException(file + " is missing in the program");
      var lines = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8));
      List<String> rows = lines.lines().filter(line -> !line.startsWith("#")).toList();
      String[] columns = rows.getFirst().split("\t", -1);
      for (String line : rows.subList(1, rows.size())) {
        String[] cells = line.split("\t", -1);
        if (cells.length == 2) {
          OTHER.put(cells[0], cells[1]);
          continue;
        }
        Map<String, String> row = new HashMap<>();
        for (int i = 1; i < columns.length; i++) row.put(columns[i], cells[i]);
        PLAIN.put(cells[0], row);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** A text; {@code none} where timm has None or an empty one. */
  String text(String column) {
    String cell = row.get(column);
    if (cell == null) throw new IllegalArgumentException("no column " + column);
    return cell;
  }

  int integer(String column) {
    return Integer.parseInt(text(column));
  }

  double number(String column) {
    return Double.parseDouble(text(column));
  }

  boolean flag(String column) {
    return text(column).equals("true");
  }

  /** Whether timm builds its class Eva. */
  boolean eva() {
    return text("kind").equals("eva");
  }

  /** A number that may be None. */
  @Nullable Double numberOrNull(String column) {
    return text(column).equals("none") ? null : number(column);
  }

  /** A flag that may be None. */
  @Nullable Boolean flagOrNull(String column) {
    return text(column).equals("none") ? null : flag(column);
  }
}
