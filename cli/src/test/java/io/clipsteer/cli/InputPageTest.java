// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/**
 * docs/input.md row by row: every rule names code that exists, every reader rules and tests that
 * exist.
 */
final class InputPageTest {
  private static final Path ROOT = Path.of(System.getProperty("clipsteer.root", ".."));

  /** The cells of the rows of the table below a heading, without its header. */
  private static List<List<String>> table(String heading) throws IOException {
    List<List<String>> rows = new ArrayList<>();
    String page = Files.readString(ROOT.resolve("docs/input.md"));
    String part = page.substring(page.indexOf("## " + heading));
    for (String line : part.lines().skip(1).takeWhile(l -> !l.startsWith("## ")).toList()) {
      if (line.startsWith("|")) {
        rows.add(
            Arrays.stream(line.substring(1, line.length() - 1).split("\\|"))
                .map(String::strip)
                .toList());
      }
    }
    return rows.subList(2, rows.size());
  }

  private static List<String> quoted(String cell) {
    return Pattern.compile("`([^`]+)`").matcher(cell).results().map(m -> m.group(1)).toList();
  }

  private static Set<String> sources(String part) throws IOException {
    try (var files = Files.walk(ROOT)) {
      return files
          .map(Path::toString)
          .filter(p -> p.contains(part) && p.endsWith(".java"))
          .map(p -> p.substring(p.indexOf("/io/clipsteer/") + 1, p.length() - 5).replace('/', '.'))
          .collect(Collectors.toCollection(TreeSet::new));
    }
  }

  @Test
  void everyRuleHasItsCode() throws IOException {
    Set<String> main = sources("src/main/java");
    for (List<String> row : table("Rules")) {
      assertEquals(3, row.size(), row.toString());
      List<String> code = quoted(row.get(2));
      assertFalse(code.isEmpty(), row.toString());
      for (String name : code) {
        boolean there =
            name.equals("clipsteer")
                ? Files.exists(ROOT.resolve(name))
                : main.contains("io.clipsteer." + name);
        assertTrue(there, name + " of rule " + row.getFirst());
      }
    }
  }

  @Test
  void everyReaderHasRulesAndTests() throws IOException {
    Set<String> rules = table("Rules").stream().map(List::getFirst).collect(Collectors.toSet());
    Set<String> tests = new TreeSet<>();
    for (String name : sources("src/test/java"))
      tests.add(name.substring(name.lastIndexOf('.') + 1));
    for (List<String> row : table("Readers")) {
      assertEquals(4, row.size(), row.toString());
      if (!row.get(1).equals("–")) {
        for (String rule : row.get(1).split(", ")) assertTrue(rules.contains(rule), rule);
      }
      List<String> named = quoted(row.get(3));
      assertFalse(named.isEmpty(), row.toString());
      for (String test : named) assertTrue(tests.contains(test), test + " of " + row.getFirst());
    }
  }
}
