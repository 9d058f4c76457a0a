// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.report;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What each number means, in the very words of docs/metrics.md, which lies in the program. */
final class Definitions {
  /** Between a definition and the symbols of its section. */
  static final String SYMBOLS = " — There: ";

  private static final String FILE = "metrics.md";

  /** Key on the page; the section there; what its item has in bold. */
  private static final List<List<String>> KEYS =
      List.of(
          List.of("explained_variance", "", "Explained variance"),
          List.of("l0", "", "L0"),
          List.of("cosine", "", "Cosine"),
          List.of("alive", "", "Alive fraction"),
          List.of("shares", "", "Intervals"),
          List.of("l0_grid", "evaluate", "l0`, `explained_variance`, `alive_fraction"),
          List.of("dense", "evaluate", "dense_fraction"),
          List.of("zero_shot", "evaluate", "zero_shot"),
          List.of("ce_recovered", "evaluate", "ce_recovered"),
          List.of("frequency", "index", "frequency"),
          List.of("mean", "index", "mean"),
          List.of("histogram", "index", "histogram"),
          List.of("positions", "index", "positions"),
          List.of("monosemanticity", "index", "Monosemanticity"),
          List.of("auroc", "index", "AUROC"),
          List.of("names", "index", "Names"),
          List.of("like", "index", "search"),
          List.of("units", "steerability", "Units"),
          List.of("s", "steerability", "S"),
          List.of("semantic", "steerability", "Semantic S"),
          List.of("interval", "steerability", "Interval"),
          List.of("power", "steerability", "Power"),
          List.of("share", "steerability", "share_above_tau"),
          List.of("coverage", "steerability", "coverage"),
          List.of("dose", "steerability", "Dose"),
          List.of("vocabularies", "steerability", "--vocabulary-sizes"),
          List.of("names_causal", "steerability", "names"),
          List.of("locality", "steerability", "locality"),
          List.of("wga", "suppress", "`baseline_wga`, `edited_wga`"),
          List.of("mcnemar", "suppress", "`worst_group`"),
          List.of("overall", "suppress", "`overall_before`, `overall_after`"),
          List.of("baselines", "suppress", "Baselines"),
          List.of("sweep", "suppress", "`sweep`"));

  private Definitions() {}

  /** Definitions by key, in plain text. */
  static Map<String, String> all() {
    String markdown = Resources.text(FILE);
    Map<String, List<String>> items = items(markdown);
    Map<String, String> all = new LinkedHashMap<>();
    for (List<String> key : KEYS) {
      String text = find(items, key.get(1), key.get(2));
      String symbols = symbols(markdown, key.get(1));
      all.put(key.get(0), symbols.isEmpty() ? text : text + SYMBOLS + symbols);
    }
    return all;
  }

  private static String find(Map<String, List<String>> items, String section, String word) {
    for (String item : items.getOrDefault(section, List.of())) {
      if (item.contains("**" + word + "**") || item.contains("**`" + word + "`**")) {
        String plain = item.replace("**", "").replace("`", "");
        return section.isEmpty() ? plain : section + ": " + plain;
      }
    }
    throw new IllegalStateException("docs/metrics.md no longer defines " + word);
  }

  /** What a section says first: its symbols. The classes that compute them are not for readers. */
  static String symbols(String markdown, String section) {
    if (section.isEmpty()) return "";
    int heading = markdown.indexOf("## `" + section + "`");
    int from = heading < 0 ? -1 : markdown.indexOf("\n\n", heading);
    if (from < 0) return "";
    String first = markdown.substring(from + 2, markdown.indexOf("\n\n", from + 2));
    int code = first.indexOf("`lab.");
    String text = code < 0 ? first : first.substring(0, code);
    return text.replace("**", "").replace("`", "").replaceAll("\\s+", " ").strip();
  }

  /** The items of each section, lines joined. */
  static Map<String, List<String>> items(String markdown) {
    Map<String, List<String>> items = new LinkedHashMap<>();
    String section = "";
    StringBuilder item = new StringBuilder();
    for (String line : (markdown + "\n# end").lines().toList()) {
      boolean heading = line.startsWith("#");
      if (!item.isEmpty() && (heading || line.startsWith("- ") || line.isBlank())) {
        items.computeIfAbsent(section, s -> new ArrayList<>()).add(item.toString());
        item.setLength(0);
      }
      if (line.startsWith("## ")) section = line.substring(3).replace("`", "").strip();
      if (line.startsWith("- ")) item.append(line.substring(2).strip());
      else if (!item.isEmpty()) item.append(' ').append(line.strip());
    }
    return items;
  }
}
