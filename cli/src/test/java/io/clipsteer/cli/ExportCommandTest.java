// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import static io.clipsteer.cli.CliFixture.run;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.Hashes;
import io.clipsteer.data.Progress;
import io.clipsteer.lab.demo.DemoClip;
import io.clipsteer.world.WorldSet;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** {@code clipsteer export} as a user types it. */
final class ExportCommandTest {
  @TempDir private static Path temp;

  private static Path model;
  private static Path runs;

  @BeforeAll
  static void train() {
    model = temp.resolve("model");
    DemoClip.unpack(model);
    Path images = temp.resolve("images");
    WorldSet.MIXED.write(images, WorldSet.Split.TEST, 40, 5, 64, Progress.SILENT);
    runs = temp.resolve("run");
    run(
            "train",
            "--model",
            model,
            "--images",
            images,
            "--layer",
            "6",
            "--sae",
            "relu:l1=1e-4",
            "--sae",
            "topk:k=4",
            "--expansion",
            "1",
            "--train-tokens",
            "2560",
            "--batch",
            "64",
            "--out",
            runs,
            "--json")
        .json();
  }

  private static Path sae(String part) throws IOException {
    try (var folders = Files.list(runs.resolve("saes"))) {
      return folders.filter(f -> f.toString().contains(part)).findFirst().orElseThrow();
    }
  }

  private static Path edit(String name, Path sae, String features) throws IOException {
    Path folder = Files.createDirectories(temp.resolve(name));
    Files.writeString(
        folder.resolve("edit.json"),
        """
        {"protocol": 3, "model": "%s", "model_sha256": "", "sae": "%s", "sae_sha256": "",
         "hook_point": "blocks.6.hook_resid_post", "tokens": "all", "rule": "set",
         "features": %s}
        """
            .formatted(model, sae, features));
    return folder;
  }

  @Test
  void writesAFileAndItsHook() throws IOException {
    Path out = temp.resolve("hair.safetensors");
    Path edit =
        edit("hair", sae("relu"), "[{\"id\": 3, \"value\": 0}, {\"id\": 95, \"value\": 1.5}]");
    JsonNode json = run("export", "--edit", edit, "--to", "sidecar", "--out", out, "--json").json();
    assertEquals(2, json.get("features").size());
    assertEquals(Files.size(out), json.get("bytes").asLong());
    List<String> hook = Files.readAllLines(temp.resolve("hair.py"));
    assertTrue(hook.size() < 80, hook.size() + " lines");
    assertTrue(hook.stream().anyMatch(line -> line.contains("from hair import attach")));
    String card = Files.readString(temp.resolve("hair.safetensors.card.md"));
    assertTrue(card.contains("| 95 | 1.50000 | 1.000 |"), card);
    assertTrue(card.contains(", SHA-256 `" + Hashes.sha256(out) + "`"), card);
    assertTrue(card.contains("Not measured."), card);
    Path dashed = temp.resolve("no-blond.safetensors");
    json = run("export", "--edit", edit, "--out", dashed, "--json").json();
    assertTrue(json.get("hook").asString().endsWith("no_blond.py"), json::toString);
    assertTrue(Files.readString(temp.resolve("no_blond.py")).contains("\"no-blond.safetensors\""));
    byte[] before = Files.readAllBytes(out);
    run("export", "--edit", edit, "--out", out).refused("exists already");
    org.junit.jupiter.api.Assertions.assertArrayEquals(before, Files.readAllBytes(out));
  }

  @Test
  void writesTheWholeEncoder() throws IOException {
    Path out = temp.resolve("defended-hair.onnx");
    Path edit = edit("whole", sae("relu"), "[{\"id\": 3, \"value\": 0}]");
    JsonNode json = run("export", "--edit", edit, "--to", "onnx", "--out", out, "--json").json();
    assertEquals(Files.size(out), json.get("bytes").asLong());
    // All of the tower's weights in fp32: twice the checkpoint's vision side in fp16.
    assertTrue(Files.size(out) > Files.size(model.resolve("model.safetensors")), "whole tower");
    run("export", "--edit", edit, "--to", "onnx", "--out", out).refused("exists already");
    run("export", "--edit", edit, "--to", "onnx", "--out", temp.resolve("a.safetensors"))
        .refused(".onnx");
  }

  @Test
  void whatCannotBeShippedIsNamed() throws IOException {
    Path out = temp.resolve("none.safetensors");
    Path good = edit("good", sae("relu"), "[{\"id\": 3, \"value\": 0}]");
    run("export", "--edit", edit("far", sae("relu"), "[{\"id\": 128, \"value\": 0}]"), "--out", out)
        .refused("no feature 128");
    for (String[] fault :
        new String[][] {
          {"{\"id\": 3.7, \"value\": 0}", "features: id is 3.7"},
          {"{\"id\": -1, \"value\": 0}", "features: id is -1"},
          {"{\"id\": 3, \"value\": \"NaN\"}", "value is \"NaN\""},
          {"{\"id\": 3, \"value\": 1e300}", "value is 1"},
          {"{\"id\": 3, \"value\": 0}], \"neurons\": [{\"id\": 1, \"value\": 0}", "and neurons"},
        }) {
      Path folder = edit("fault", sae("relu"), "[" + fault[0] + "]");
      run("export", "--edit", folder, "--out", out).refused(fault[1], "edit.json");
    }
    for (String direction : List.of("[1, 2]", "[" + "0,".repeat(127) + "0]")) {
      Path folder = edit("fault", sae("relu"), "[]");
      Path file = folder.resolve("edit.json");
      String line =
          "\"direction\": {\"direction\": %s, \"centre\": %s, \"value\": 1}"
              .formatted(direction, direction);
      Files.writeString(file, Files.readString(file).replace("\"features\": []", line));
      run("export", "--edit", folder, "--out", out).refused("width 128", "fault");
    }
    Path rule = edit("fault", sae("relu"), "[{\"id\": 3, \"value\": 0}]");
    Path json = rule.resolve("edit.json");
    Files.writeString(json, Files.readString(json).replace("\"set\"", "\"sat\""));
    run("export", "--edit", rule, "--out", out).refused("rule is \"sat\"", "edit.json");
    run("export", "--edit", edit("few", sae("relu"), "[]"), "--out", out).refused("no features");
    String twice = "[{\"id\": 3, \"value\": 0}, {\"id\": 3, \"value\": 1}]";
    run("export", "--edit", edit("twice", sae("relu"), twice), "--out", out).refused("twice");
    run("export", "--edit", temp.resolve("nowhere"), "--out", out).refused("does not exist");
    run("export", "--edit", good, "--out", temp.resolve("a b.safetensors")).refused("Python");
    run("export", "--edit", good, "--out", temp.resolve("a.bin")).refused("Python");
    run("export", "--edit", good, "--to", "paper", "--out", out).refused("paper");
    assertFalse(Files.exists(out));
  }
}
