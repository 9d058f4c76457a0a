// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Plans, their repetition, and what is refused. */
final class LabelsCommandTest {
  @TempDir private static Path temp;

  private static ExploredFixture fixture;
  private static Path study;

  @BeforeAll
  static void plan() throws IOException {
    fixture = ExploredFixture.in(temp);
    study = fixture.plan(temp.resolve("study"));
  }

  private static JsonNode json(Path file) throws IOException {
    return new JsonMapper().readTree(Files.readString(file));
  }

  @Test
  void aPlanHoldsAllKindsAndShowsNothingOfThem() throws IOException {
    JsonNode plan = json(study.resolve("plan.json"));
    Set<String> kinds = new HashSet<>();
    plan.get("units").forEach(unit -> kinds.add(unit.get("kind").asString()));
    assertEquals(Set.of("feature", "neuron", "direction", "untrained", "random_sheet"), kinds);
    Set<String> files = new HashSet<>();
    for (JsonNode trial : plan.get("trials")) {
      assertTrue(trial.get("id").asString().matches("t[0-9a-f]{16}"));
      for (JsonNode image : trial.get("images")) files.add(image.get("image").asString() + ".jpg");
    }
    try (var images = Files.list(study.resolve("images"))) {
      assertEquals(files, Set.copyOf(images.map(f -> f.getFileName().toString()).toList()));
    }
  }

  @Test
  void practiceShowsAFeatureOfNoOtherTrial() throws IOException {
    JsonNode plan = json(study.resolve("plan.json"));
    Set<Integer> practised = new HashSet<>();
    Set<Integer> others = new HashSet<>();
    for (JsonNode trial : plan.get("trials")) {
      String role = trial.get("role").asString();
      if (role.equals("practice")) practised.add(trial.get("unit").asInt());
      if (role.equals("main")) others.add(trial.get("unit").asInt());
    }
    assertEquals(1, practised.size());
    assertEquals(plan.get("units").size() - 1, others.size());
    assertTrue(others.stream().noneMatch(practised::contains));
    int unit = practised.iterator().next();
    assertEquals("feature", plan.get("units").get(unit).get("kind").asString());
  }

  /** A sheet without maps, or a catch trial of a unit's images, would tell too much. */
  @Test
  void nothingTellsARandomSheet() throws IOException {
    JsonNode plan = json(study.resolve("plan.json"));
    Set<String> caught = new HashSet<>();
    for (JsonNode trial : plan.get("trials")) {
      boolean naming = trial.get("task").asString().equals("naming");
      JsonNode unit = plan.get("units").get(trial.get("unit").asInt());
      for (JsonNode image : trial.get("images")) {
        String heat = image.get("heat").isNull() ? null : image.get("heat").asString();
        assertEquals(naming, heat != null);
        if (heat == null || !unit.get("kind").asString().equals("random_sheet")) continue;
        assertTrue(heat.matches(".*[^A=].*"), "an empty map");
      }
      if (trial.get("role").asString().equals("catch")) {
        caught.add(trial.get("images").get(0).get("image").asString());
      }
    }
    assertTrue(caught.size() > 1, "catch trials of the same images");
  }

  @Test
  void controlsAreActiveOnAsManyImagesAsFeatures() throws IOException {
    JsonNode units = json(study.resolve("plan.json")).get("units");
    Set<String> features = new HashSet<>();
    int compared = 0;
    for (JsonNode unit : units) {
      String kind = unit.get("kind").asString();
      String active = unit.get("active").asString();
      if (kind.equals("feature")) features.add(active);
      if (!Set.of("neuron", "direction", "random_sheet").contains(kind)) continue;
      assertTrue(features.contains(active), kind + " on " + active + ", features on " + features);
      compared++;
    }
    assertTrue(compared >= 3);
  }

  @Test
  void thePlanNamesItsCommand() throws IOException {
    JsonNode manifest = json(study.resolve("manifest.json"));
    assertEquals("labels", manifest.get("command").get(0).asString());
    assertTrue(manifest.get("hashes").has("model") && manifest.get("hashes").has("data"));
  }

  @Test
  void theSameSeedMakesTheSamePlan() throws IOException {
    Path again = fixture.plan(temp.resolve("again"));
    assertEquals(
        Files.readString(study.resolve("plan.json"), StandardCharsets.UTF_8),
        Files.readString(again.resolve("plan.json"), StandardCharsets.UTF_8));
    var other =
        CliFixture.line(
            "labels plan --run %s --images %s --features 4 --tasks intruder --seed 2 --out %s"
                + " --json",
            fixture.run(), temp.resolve("more"), temp.resolve("other"));
    assertEquals(0, other.code(), other.err());
    assertEquals(Set.of("intruder"), Set.copyOf(other.json().get("trials").propertyNames()));
    assertTrue(other.json().get("minutes").asDouble() > 0);
    assertNotEquals(
        json(study.resolve("plan.json")).get("trials").get(0).get("images"),
        json(temp.resolve("other/plan.json")).get("trials").get(0).get("images"));
  }

  /** Two annotators, one right throughout, one wrong but for catch trials, without times. */
  private static Path answered() throws IOException {
    Path copy = temp.resolve("answered");
    try (var files = Files.walk(study)) {
      for (Path file : files.toList()) {
        Files.copy(file, copy.resolve(study.relativize(file).toString()));
      }
    }
    StringBuilder table = new StringBuilder("annotator,trial,choice,ideas,idea,picked\n");
    for (String annotator : List.of("anna", "ben")) {
      for (JsonNode trial : json(study.resolve("plan.json")).get("trials")) {
        boolean right = annotator.equals("anna") || trial.get("role").asString().equals("catch");
        table.append(annotator).append(',').append(trial.get("id").asString());
        table.append(said(trial, right)).append('\n');
      }
    }
    Path csv = Files.writeString(temp.resolve("crowd.csv"), table);
    var taken = CliFixture.line("labels import --labels %s --csv %s --json", copy, csv);
    assertEquals(0, taken.code(), taken.err());
    return copy;
  }

  private static String said(JsonNode trial, boolean right) {
    JsonNode images = trial.get("images");
    boolean afc = trial.get("task").asString().equals("2afc");
    switch (trial.get("task").asString()) {
      case "naming":
        return right ? ",,one," + ExploredFixture.EVIL + ",0 1" : ",,none,,-";
      case "verification":
        return ",,,,-";
      default:
        for (int k = afc ? 18 : 0; k < images.size(); k++) {
          boolean wanted = images.get(k).get("fires").asBoolean() == afc;
          if (wanted == right) return "," + (afc ? k - 18 : k) + ",,,";
        }
        throw new IllegalStateException("no such choice");
    }
  }

  @Test
  void theReportIsAPageAndAPartOfTheRunsReport() throws IOException {
    Path folder = answered();
    Path page = temp.resolve("people.html");
    var reported = CliFixture.line("labels report --labels %s --out %s --json", folder, page);
    assertEquals(0, reported.code(), reported.err());
    JsonNode first = reported.json().get("results").get(0);
    assertEquals(0.5, first.get("accuracy").get("value").asDouble());
    assertEquals(2, reported.json().get("annotators").size());
    reported
        .json()
        .get("annotators")
        .forEach(one -> assertTrue(one.get("excluded").isNull(), "without times, no rule of them"));
    Path whole = temp.resolve("whole.html");
    var run =
        CliFixture.line(
            "report --run %s --labels %s --no-images --features 20 --out %s",
            fixture.run(), folder, whole);
    assertEquals(0, run.code(), run.err());
    assertTrue(
        PageBrowser.data(whole)
            .get("head")
            .get("commands")
            .get("report")
            .asString()
            .contains("--labels"));
    try (PageBrowser browser = PageBrowser.start()) {
      for (int width : new int[] {390, 1280}) {
        browser.visit(
            page,
            width,
            shown -> {
              PageBrowser.fits(shown, width);
              PageBrowser.isAccessible(shown);
              shown.getByText("Each trained feature").waitFor();
              assertTrue(shown.locator("main").innerText().contains(ExploredFixture.EVIL));
            });
        browser.visit(
            whole,
            width,
            shown -> {
              shown.evaluate("() => { location.hash = '#/people'; }");
              shown.getByText("Features against controls").waitFor();
              PageBrowser.fits(shown, width);
              PageBrowser.isAccessible(shown);
            });
      }
    }
    Path other = Files.writeString(temp.resolve("mine.html"), "mine");
    assertNotEquals(0, CliFixture.line("labels report --labels %s --out %s", folder, other).code());
    assertEquals("mine", Files.readString(other));
  }

  @Test
  void wrongInputIsOneLine() throws IOException {
    Path empty = Files.createDirectories(temp.resolve("empty"));
    Path broken = Files.createDirectories(temp.resolve("broken"));
    Files.writeString(broken.resolve("plan.json"), "{\"format\":1}");
    Path table = Files.writeString(temp.resolve("t.csv"), "annotator,trial\na,b\n");
    for (String line :
        List.of(
            "labels plan --run " + fixture.run() + " --images " + empty + " --out " + empty + "/x",
            "labels plan --run " + empty + " --images " + temp.resolve("more") + " --out x",
            "labels plan --run "
                + fixture.run()
                + " --images "
                + fixture.images()
                + " --features 0 --out x",
            "labels plan --run "
                + fixture.run()
                + " --images "
                + temp.resolve("more")
                + " --out "
                + study,
            "labels report --labels " + empty,
            "labels report --labels " + broken,
            "labels export --labels " + study + " --out " + table,
            "labels import --labels " + study + " --csv " + table,
            "labels import --labels " + study + " --csv " + empty)) {
      var ran = CliFixture.line(line);
      assertNotEquals(0, ran.code(), line);
      String last = ran.err().strip().lines().reduce((a, b) -> b).orElse("");
      String message = last.startsWith("See ") ? ran.err() : last;
      assertTrue(message.contains("clipsteer: "), line + ": " + ran.err());
      assertTrue(!ran.err().contains("Exception"), ran.err());
    }
    assertEquals("annotator,trial\na,b\n", Files.readString(table));
  }
}
