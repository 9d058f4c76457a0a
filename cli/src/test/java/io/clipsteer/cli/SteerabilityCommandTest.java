// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import static io.clipsteer.cli.CliFixture.CLIP;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.Progress;
import io.clipsteer.world.WorldSet;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** {@code steerability} and its bench as a user types them. */
final class SteerabilityCommandTest {
  @TempDir private static Path temp;

  private static Path images = Path.of("");
  private static Path run = Path.of("");
  private static Path words = Path.of("");

  @BeforeAll
  static void train() throws IOException {
    images = temp.resolve("images");
    WorldSet.MIXED.write(images, WorldSet.Split.TEST, 20, 5, 64, Progress.SILENT);
    words = Files.writeString(temp.resolve("words.txt"), "cat\ndog\nbird\ncat\nred\n");
    run = temp.resolve("run");
    CliFixture.train(run, CLIP, images, "--layers", "1,2", "--expansion", 2);
  }

  private static CliFixture.Ran steerability(Path out, Object... more) {
    return CliFixture.run(
        "steerability", "--run", run, "--images", images, "--out", out, "--json", more);
  }

  @Test
  void measuresEveryKindAtEveryLayer() throws IOException {
    Path out = temp.resolve("measured");
    JsonNode json =
        steerability(out, "--vocabulary", words, "--random-count", 10, "--screen").json();
    assertEquals(4, json.get("words").asInt(), "repeated words count once");
    assertEquals(6, json.get("layers").size());
    for (JsonNode layer : json.get("layers")) {
      for (String key :
          new String[] {
            "layer",
            "unit",
            "n",
            "mean_s",
            "share_above_tau",
            "share_low",
            "share_high",
            "coverage",
            "seconds"
          }) {
        assertTrue(layer.has(key), key);
      }
      double share = layer.get("share_above_tau").asDouble();
      assertTrue(layer.get("share_low").asDouble() <= share);
      assertTrue(share <= layer.get("share_high").asDouble());
    }
    assertEquals(
        11, Files.readAllLines(out.resolve("blocks.1.hook_resid_post.random.150.csv")).size());
    steerability(out, "--vocabulary", words).refused("holds a finished run");
    steerability(out, "--vocabulary", words, "--resume").refused("holds a finished run");
  }

  @Test
  void badInputIsOneLine() {
    Path out = temp.resolve("bad");
    steerability(out, "--vocabulary", words, "--layers", "0").refused("no SAE of layer 0", "1,2");
    steerability(out, "--vocabulary", words, "--units", "cells").refused("cells", "features");
    steerability(out, "--vocabulary", words, "--set", "NaN").wrongUsage("--set NaN");
    steerability(out, "--vocabulary", words, "--set", "p99").wrongUsage("--set p99");
    steerability(out, "--vocabulary", words, "--set", "2x").wrongUsage("clipsteer index");
    steerability(out, "--vocabulary", words, "--at", "99").refused("token 99");
    assertFalse(Files.exists(out), "nothing is left of a refused command");
    steerability(out, "--library", temp).refused("no text library");
    steerability(out).wrongUsage("--vocabulary");
    steerability(run, "--vocabulary", words).refused("holds a finished run of clipsteer train");
  }

  @Test
  void benchTellsWhatItMeasured() {
    JsonNode json =
        CliFixture.line(
                "bench steerability --features 64 --images 9 --words 100 --width 32 --embedding 16"
                    + " --tokens 5 --json")
            .json();
    for (String key : new String[] {"seconds", "plain_seconds", "max_difference", "peak_bytes"}) {
      assertTrue(json.get(key).isNumber(), key);
    }
    assertTrue(json.get("max_difference").asDouble() < 1e-5);
    assertTrue(json.get("max_score_difference").asDouble() < 1e-6);
    CliFixture.run("bench", "steerability", "--words", 1).refused("--words 1");
  }
}
