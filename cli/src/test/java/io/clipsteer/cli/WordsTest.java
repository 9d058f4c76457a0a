// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/**
 * Documents, messages, help pages and comments use the field's words (docs/glossary.md), and not
 * the project's former words for the same things.
 */
final class WordsTest {
  private static final Path ROOT = Path.of(System.getProperty("clipsteer.root", ".."));

  private static final Path PEERS = ROOT.resolve("bench/peers");

  /** A former word, and the word in its place. */
  private static final Map<Pattern, String> FORMER =
      List.of(
              "pictures?|image",
              "(left|leaves?|leaving) out|skipped",
              "(taken|takes?|taking) away|ablated, suppressed, removed",
              "(gone|goes|going|go|went) on|resumed, continued",
              "begun|started",
              "mend(s|ed|ing)?|fixed",
              "lean(s|t|ed|ing)?|relies on, shortcut",
              "told|reported",
              "asked(?! for)|evaluated",
              "asking|evaluating",
              "(given|gives?|giving) back|reconstructed, returned",
              "left over|remaining, error",
              "(kept|keeps?) aside|held out",
              "(held|holds?|hold) against|compared with",
              "(look|looks|looked|looking) at|scan, read",
              "spots?|site",
              "ways|methods",
              "what it is (called|named)|its name")
          .stream()
          .map(pair -> pair.split("\\|(?=[^|]*$)"))
          .collect(
              Collectors.toMap(
                  pair -> Pattern.compile("\\b(" + pair[0] + ")\\b", Pattern.CASE_INSENSITIVE),
                  pair -> pair[1]));

  /** Where a former word is meant: the end of a file's path, and the text around the word. */
  private static final List<List<String>> MEANT =
      List.of(
          List.of("CHANGELOG.md", "that said *picture*"),
          List.of("Captions.java", "a picture of"),
          List.of("demo/Evaluation.java", "a picture of"),
          List.of("CHANGELOG.md", "`asked`"),
          List.of("docs/protocol.md", "`begun.json`"));

  /** A string, a text block, a character, or a comment of a Java file. */
  private static final Pattern TOKEN =
      Pattern.compile(
          "\"\"\"[\\s\\S]*?\"\"\"|\"(?:[^\"\\\\\\n]++|\\\\.)*+\"|'(?:[^'\\\\]|\\\\[^']*.)'"
              + "|//[^\\n]*|/\\*[\\s\\S]*?\\*/");

  @Test
  void documents() throws IOException {
    List<Path> files = new ArrayList<>(List.of(ROOT.resolve("README.md"), ROOT.resolve("verify")));
    for (String name : List.of("CHANGELOG.md", "NOTICE", "clipsteer"))
      files.add(ROOT.resolve(name));
    files.addAll(under("docs", ".md"));
    files.addAll(under("configs", ""));
    for (String ending : List.of(".md", ".py", ".sh")) {
      for (Path file : under("bench", ending)) if (!file.startsWith(PEERS)) files.add(file);
    }
    files.add(PEERS.resolve("README.md"));
    check(files, UnaryOperator.identity());
  }

  @Test
  void messagesAndHelpPages() throws IOException {
    check(sources(), text -> tokens(text, "\""));
  }

  @Test
  void pages() throws IOException {
    List<Path> files = new ArrayList<>();
    for (String ending : List.of(".js", ".css", ".html", ".py")) {
      files.addAll(under("cli/src/main/resources", ending));
    }
    check(files, UnaryOperator.identity());
  }

  @Test
  void comments() throws IOException {
    check(sources(), text -> tokens(text, "/"));
  }

  private static List<Path> sources() throws IOException {
    List<Path> files = new ArrayList<>();
    for (String module : List.of("data", "kernels", "engine", "world", "lab", "cli", "bench")) {
      files.addAll(under(module + "/src/main/java", ".java"));
    }
    return files;
  }

  private static List<Path> under(String folder, String ending) throws IOException {
    try (var files = Files.walk(ROOT.resolve(folder))) {
      return files
          .filter(file -> Files.isRegularFile(file) && file.toString().endsWith(ending))
          .filter(file -> !file.toString().contains("/target/"))
          .sorted()
          .toList();
    }
  }

  /** A file's strings or comments, one a line; strings that + joins are one. */
  private static String tokens(String java, String sign) {
    return TOKEN
        .matcher(java.replaceAll("\"\\s*\\n\\s*\\+ \"", ""))
        .results()
        .map(MatchResult::group)
        .filter(token -> token.startsWith(sign))
        .map(token -> token.replaceAll("\\s*\\n\\s*\\*?\\s*", " "))
        .collect(Collectors.joining("\n"));
  }

  private static void check(List<Path> files, UnaryOperator<String> part) throws IOException {
    List<String> found = new ArrayList<>();
    for (Path file : files) {
      String text = part.apply(Files.readString(file)).replaceAll("(?<=\\S)\\n(?=[a-z])", " ");
      FORMER.forEach((word, now) -> found.addAll(found(file, text, word, now)));
    }
    found.sort(null);
    assertTrue(found.isEmpty(), found.size() + " former words:\n" + String.join("\n", found));
  }

  private static List<String> found(Path file, String text, Pattern word, String now) {
    List<String> found = new ArrayList<>();
    for (MatchResult match : word.matcher(text).results().toList()) {
      int from = Math.max(0, match.start() - 40);
      String around = text.substring(from, Math.min(text.length(), match.end() + 40));
      if (MEANT.stream().anyMatch(m -> file.endsWith(m.get(0)) && around.contains(m.get(1)))) {
        continue;
      }
      String shown = around.replaceAll("\\s+", " ");
      found.add("%s: %s → %s: … %s …".formatted(file, match.group(), now, shown));
    }
    return found;
  }
}
