// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import tools.jackson.dataformat.yaml.YAMLMapper;

/** What users of the library depend on: the BOM, and the versions that pages and examples name. */
final class LibraryTest {
  private static final Path ROOT = Path.of(System.getProperty("clipsteer.root", ".."));

  private static String version(String pom, String property) {
    var match = Pattern.compile("<" + property + ">([^<]+)</" + property + ">").matcher(pom);
    assertTrue(match.find(), property);
    return match.group(1);
  }

  @Test
  void theBomNamesEveryModuleAndTheBuildsVersions() throws IOException {
    String build = Files.readString(ROOT.resolve("pom.xml"));
    String bom = Files.readString(ROOT.resolve("bom/pom.xml"));
    assertEquals(version(build, "version"), version(bom, "version"));
    for (String library : List.of("javacpp.version", "openblas.version", "pytorch.version")) {
      assertEquals(version(build, library), version(bom, library), library);
    }
    var modules = new TreeSet<>(find("<module>(\\w+)</module>", build));
    // The cluster runs with a Spark of its own; benchmarks and archives are no library.
    modules.removeAll(List.of("bom", "cluster", "bench", "dist"));
    assertEquals(
        modules, new TreeSet<>(find("<artifactId>clipsteer-(?!bom)(\\w+)</artifactId>", bom)));
  }

  @Test
  void examplesAreOfThisVersion() throws IOException {
    String version = version(Files.readString(ROOT.resolve("pom.xml")), "version");
    try (var poms = Files.walk(ROOT.resolve("examples"), 2)) {
      List<Path> all = poms.filter(file -> file.endsWith("pom.xml")).toList();
      assertEquals(2, all.size());
      for (Path pom : all) {
        assertEquals(version, version(Files.readString(pom), "clipsteer.version"), pom.toString());
      }
    }
  }

  @Test
  void theCitationIsOfThisVersion() throws IOException {
    String build = version(Files.readString(ROOT.resolve("pom.xml")), "version");
    Object citation =
        new YAMLMapper().readValue(Files.readString(ROOT.resolve("CITATION.cff")), Map.class);
    Map<?, ?> fields = (Map<?, ?>) citation;
    assertEquals(build, fields.get("version"));
    for (String key : List.of("cff-version", "message", "title", "authors")) {
      assertTrue(fields.containsKey(key), key);
    }
  }

  private static List<String> find(String pattern, String text) {
    return Pattern.compile(pattern)
        .matcher(text)
        .results()
        .map((MatchResult match) -> match.group(1))
        .collect(Collectors.toList());
  }
}
