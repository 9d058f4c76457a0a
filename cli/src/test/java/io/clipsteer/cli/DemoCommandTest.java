// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import static io.clipsteer.cli.CliFixture.words;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** {@code demo}, in its quick form: every stage, the table and the page, and going on. */
@Tag("slow")
final class DemoCommandTest {
  @TempDir private Path temp;

  @Test
  void goesThroughAllStagesAndGoesOnWhereItStopped() throws IOException {
    Path out = temp.resolve("a demo");
    var ran = CliFixture.run("demo", "--quick", "--json", "--out", out);
    JsonNode json = ran.json();
    for (String task : List.of("portraits", "birds")) {
      JsonNode one = json.get(task);
      for (String key : List.of("before", "after", "p", "clean_loss")) {
        assertTrue(one.get(key).isNumber(), task + " " + key);
      }
      // Of written words, random features and so on, as many as were asked; each with a figure.
      for (JsonNode baseline : one.get("baselines")) assertTrue(baseline.get("wga").isNumber());
    }
    for (String key : List.of("clean", "attacked", "defended", "clean_loss")) {
      assertTrue(json.get("typographic").get(key).isNumber(), key);
    }
    assertEquals(18, json.get("steerability").size(), "two layers, three strengths, three kinds");
    assertTrue(json.get("peak_bytes").asLong() > 100_000_000);
    List<String> known = Files.readAllLines(out.resolve("model/words.txt"));
    assertTrue(known.containsAll(List.of("waterbird", "blond", "red", "mug")), known.toString());
    assertTrue(!known.contains("rbird"), "whole words, not the tokenizer's pieces");
    JsonNode page = PageBrowser.data(Path.of(json.get("report").asString()));
    JsonNode findings = page.get("findings");
    assertEquals(3, findings.get("edits").size());
    assertEquals("birds", findings.get("edits").get(1).get("name").asString());
    assertEquals(
        json.get("birds").get("after"),
        findings.get("edits").get(1).get("report").get("edited_wga"),
        "the page says what the table says");
    assertEquals(18, findings.get("steer").get("layers").size());
    assertTrue(findings.get("evaluation").isObject());
    assertEquals(2, findings.get("studies").size());
    JsonNode sand = findings.get("studies").get(0).get("report").get("classes").get(0);
    assertEquals("sand", sand.get("name").asString());
    assertTrue(sand.get("target_change").get("value").isNumber());

    CliFixture.run("demo", "--quick", "--out", out).refused("holds a finished run");
    CliFixture.run("demo", "--out", out, "--resume")
        .refused("other settings: quick was true, now false.");
    CliFixture.run("demo", "--resume").wrongUsage("--out");
    CliFixture.run("demo", "--resume", "--out", temp).refused("holds no run to resume");

    // As if it had been killed in the middle of birds.
    Path stages = out.resolve("stages");
    Files.delete(stages.resolve("birds.json"));
    Files.delete(stages.resolve("report.json"));
    Files.delete(out.resolve("edits/birds/manifest.json"));
    var trained = Files.getLastModifiedTime(out.resolve("run/run.json"));
    var found = Files.getLastModifiedTime(out.resolve("edits/birds/report.json"));
    var again = CliFixture.run("demo", "--quick", "--out", out, "--resume");
    assertEquals(0, again.code(), again.err());
    assertEquals(trained, Files.getLastModifiedTime(out.resolve("run/run.json")));
    assertNotEquals(found, Files.getLastModifiedTime(out.resolve("edits/birds/report.json")));
    String line = again.out().lines().filter(l -> l.startsWith("birds ")).findFirst().orElseThrow();
    String after =
        String.format(
            java.util.Locale.ROOT, "%.1f %%", 100 * json.get("birds").get("after").asDouble());
    assertTrue(line.contains(after), line + " should say " + after);

    // Images and SAEs are at hand here: a planted cue, of which a probe must learn something.
    Path study = temp.resolve("study");
    Object[] words =
        words(
            "study injected-cue --run %s --images %s --cue-sizes 0.5,1 --repeats 1 --out %s",
            out.resolve("run"), out.resolve("images/objects"), study);
    var told = CliFixture.run(words);
    assertEquals(0, told.code(), told.err());
    JsonNode result = JsonMapper.shared().readTree(Files.readAllBytes(study.resolve("study.json")));
    assertEquals(2, result.get("studies").size());
    for (JsonNode one : result.get("studies")) {
      assertTrue(one.get("reliance_before").asDouble() > 0.1, one.toString());
      assertTrue(one.get("accuracy_before").asDouble() > 0.4, one.toString());
      double fall = one.get("reliance_after").asDouble() / one.get("reliance_before").asDouble();
      assertEquals(1 - fall, one.get("reliance_fall").asDouble(), 1e-9);
      // Which of them are asked is chosen on a handful of images here.
      assertTrue(one.get("baselines").isObject());
    }
    CliFixture.run(words).refused("holds a finished run", "--resume");
    goesOn(study, words);
    CliFixture.run("study", "injected-cue", "--run", out, "--out", temp.resolve("s"))
        .wrongUsage("--images");
    CliFixture.run("study", "injected-cue", "--cue-sizes", "2", "--out", temp.resolve("s"))
        .wrongUsage("--cue-sizes 2");
    CliFixture.run("study").wrongUsage("injected-cue");
  }

  /** A study that was stopped does what is missing, and comes to the same end. */
  private static void goesOn(Path study, Object[] words) throws IOException {
    byte[] finished = Files.readAllBytes(study.resolve("study.json"));
    var kept = Files.getLastModifiedTime(study.resolve("studies/0.5-0.json"));
    Files.delete(study.resolve("study.json"));
    Files.delete(study.resolve("studies/1.0-0.json"));
    Object[] on = Stream.concat(Stream.of(words), Stream.of("--resume")).toArray();
    var told = CliFixture.run(on);
    assertEquals(0, told.code(), told.err());
    assertArrayEquals(finished, Files.readAllBytes(study.resolve("study.json")));
    assertEquals(kept, Files.getLastModifiedTime(study.resolve("studies/0.5-0.json")));
    CliFixture.run(Stream.concat(Stream.of(on), Stream.of("--seed", 5)).toArray())
        .refused("other settings", "the seed of injected-cue was 1, now 5");
    assertArrayEquals(finished, Files.readAllBytes(study.resolve("study.json")));
  }
}
