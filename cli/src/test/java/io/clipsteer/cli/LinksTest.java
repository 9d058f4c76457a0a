// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Every relative link of the project's Markdown leads to a file, and its anchor to a heading. */
final class LinksTest {
  private static final Path ROOT =
      Path.of(System.getProperty("clipsteer.root", "..")).toAbsolutePath().normalize();

  private static final List<String> FOLDERS = List.of("docs", "examples", "bench", "configs");
  private static final Pattern LINK = Pattern.compile("\\]\\(([^)\\s]+)\\)");
  private static final Pattern HEADING = Pattern.compile("(?m)^#{1,6} (.*)$");
  private static final Pattern FENCE = Pattern.compile("(?ms)^(```+).*?^\\1`*\\s*$");
  private static final Pattern CODE = Pattern.compile("(`+)(?!`).*?(?<!`)\\1(?!`)", Pattern.DOTALL);

  private static List<Path> pages() throws IOException {
    List<Path> pages = new ArrayList<>();
    try (Stream<Path> files = Files.list(ROOT)) {
      files.filter(LinksTest::isPage).forEach(pages::add);
    }
    for (String folder : FOLDERS) {
      try (Stream<Path> files = Files.walk(ROOT.resolve(folder))) {
        files
            .filter(LinksTest::isPage)
            .filter(file -> !ROOT.relativize(file).toString().contains("target"))
            .forEach(pages::add);
      }
    }
    return pages;
  }

  private static boolean isPage(Path file) {
    return Files.isRegularFile(file) && file.toString().endsWith(".md");
  }

  /** Links that lead nowhere, with their page. */
  private static List<String> broken(Path page, String text, Map<Path, Set<String>> anchors)
      throws IOException {
    List<String> broken = new ArrayList<>();
    String prose = CODE.matcher(FENCE.matcher(text).replaceAll("")).replaceAll("");
    for (var link : LINK.matcher(prose).results().toList()) {
      String target = link.group(1);
      if (target.matches("[a-z]+:.*")) continue;
      int hash = target.indexOf('#');
      String path = hash < 0 ? target : target.substring(0, hash);
      Path file = path.isEmpty() ? page : page.resolveSibling(path).normalize();
      boolean found = path.isEmpty() || Files.exists(file) && file.startsWith(ROOT);
      if (found && hash >= 0) {
        Set<String> known = anchors.get(file);
        if (known == null) anchors.put(file, known = anchors(Files.readString(file)));
        found = known.contains(target.substring(hash + 1));
      }
      if (!found) broken.add(ROOT.relativize(page) + ": " + target);
    }
    return broken;
  }

  /** Anchors as GitHub makes them of headings; the second of equal ones ends in -1. */
  private static Set<String> anchors(String text) {
    Set<String> anchors = new HashSet<>();
    Map<String, Integer> times = new HashMap<>();
    for (var heading : HEADING.matcher(FENCE.matcher(text).replaceAll("")).results().toList()) {
      String words = LINK.matcher(heading.group(1)).replaceAll("]").strip();
      String anchor =
          words
              .toLowerCase(Locale.ROOT)
              .replaceAll("[^\\p{L}\\p{N}\\p{M}_ -]", "")
              .replace(' ', '-');
      int before = times.merge(anchor, 1, Integer::sum) - 1;
      anchors.add(before == 0 ? anchor : anchor + "-" + before);
    }
    return anchors;
  }

  @Test
  void everyLinkLeadsSomewhere() throws IOException {
    List<String> broken = new ArrayList<>();
    Map<Path, Set<String>> anchors = new HashMap<>();
    List<Path> pages = pages();
    for (Path page : pages) broken.addAll(broken(page, Files.readString(page), anchors));
    assertEquals(List.of(), broken);
    assertTrue(pages.size() > 40, pages.size() + " pages");
  }

  @Test
  void wrongLinksAreSeen() throws IOException {
    String text =
        """
        # A `head` & more
        # A `head` & more
        [1](#a-head--more) [2](#a-head--more-1) [3](#other) [4](nowhere.md) [5](README.md#results)
        [6](README.md#none) `[7](code.md)` [8](https://example.org) [9](../../outside.md)
        ```
        [10](fenced.md)
        ```
        """;
    Path page = ROOT.resolve("page.md");
    var anchors = new HashMap<>(Map.of(page, anchors(text)));
    assertEquals(
        List.of(
            "page.md: #other",
            "page.md: nowhere.md",
            "page.md: README.md#none",
            "page.md: ../../outside.md"),
        broken(page, text, anchors));
  }
}
