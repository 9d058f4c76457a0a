// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.table;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/**
 * A good table of file, label and a third column, written in one of many ways and perhaps damaged.
 *
 * @param name how the file is called
 * @param text what it holds
 * @param expected header and rows, where it is read
 * @param mayBeRefused whether it was damaged so that no row may be read otherwise than as expected
 */
record TableMutation(String name, String text, List<List<String>> expected, boolean mayBeRefused) {
  private static final List<String> PIECES =
      List.of("a", "b", "0", "12", "é", ",", "\t", "\"", " ", ";", "cat", "日本", "'", "\n");

  static TableMutation draw(SplittableRandom random) {
    boolean tabs = random.nextBoolean();
    String separator = tabs ? "\t" : ",";
    List<List<String>> rows = new ArrayList<>();
    rows.add(new ArrayList<>(List.of("file", "label", "size")));
    int count = 1 + random.nextInt(6);
    for (int i = 0; i < count; i++) {
      rows.add(new ArrayList<>(List.of("f" + i, cell(random), cell(random))));
    }
    // Damage that changes what must be read: swapped columns, repeated rows, empty cells.
    int kind = random.nextInt(12);
    int at = 1 + random.nextInt(count);
    boolean damaged = false;
    if (kind == 0) for (List<String> row : rows) row.add(0, row.remove(1));
    if (kind == 1) rows.add(at, new ArrayList<>(rows.get(at)));
    if (kind == 2) rows.get(at).set(1, "");
    if (kind == 3) {
      rows.get(at).add("more");
      damaged = true;
    }
    if (kind == 4) {
      rows.get(at).removeLast();
      damaged = true;
    }
    if (kind == 5) {
      rows.getFirst().set(2, "Label");
      damaged = true;
    }
    String end = List.of("\n", "\r\n", "\r").get(random.nextInt(3));
    StringBuilder text = new StringBuilder(random.nextInt(3) == 0 ? "\uFEFF" : "");
    for (List<String> row : rows) {
      for (int c = 0; c < row.size(); c++) {
        if (c > 0) text.append(separator);
        text.append(written(row.get(c), random));
      }
      text.append(end);
      if (random.nextInt(4) == 0) text.append(random.nextBoolean() ? "" : " ").append(end);
      if (random.nextInt(9) == 0) text.append(separator).append(separator).append(end);
    }
    if (kind == 6) {
      // A quote that nothing closes: it may swallow rows, but not without a word.
      text.append('"').append("open").append(separator).append("x").append(end);
      damaged = true;
    }
    if (kind == 7) {
      text.append("g").append(separator).append("\"x\"y").append(separator).append(end);
      damaged = true;
    }
    if (kind == 8) {
      text.append("g").append(separator).append("\uFFFD").append(separator).append("z").append(end);
      damaged = true;
    }
    if (kind == 9) {
      text.setLength(text.length() - end.length()); // no line end at the end of the file
    }
    if (damaged) rows.clear(); // nothing would be right
    return new TableMutation(tabs ? "t.tsv" : "t.csv", text.toString(), rows, damaged);
  }

  private static String cell(SplittableRandom random) {
    StringBuilder text = new StringBuilder();
    int pieces = random.nextInt(5);
    for (int i = 0; i < pieces; i++) text.append(PIECES.get(random.nextInt(PIECES.size())));
    return text.toString().strip();
  }

  /** Quoted where it must be and sometimes where it need not, with blanks around. */
  private static String written(String cell, SplittableRandom random) {
    boolean must = cell.matches("(?s).*[,\t\n].*") || cell.startsWith("\"");
    String text = must || random.nextInt(4) == 0 ? "\"" + cell.replace("\"", "\"\"") + "\"" : cell;
    if (random.nextInt(5) == 0) text = " " + text;
    return random.nextInt(5) == 0 ? text + "  " : text;
  }
}
