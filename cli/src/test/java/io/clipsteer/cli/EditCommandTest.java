// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.Progress;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.data.tensor.SafeTensors;
import io.clipsteer.data.tensor.StoredTensor;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.world.WorldSet;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** {@code edit}, and {@code export} of what it makes. */
final class EditCommandTest {
  private static final String CLIP = "../engine/src/test/resources/models/hf-clip-quickgelu";
  private static final int WIDTH = 24;

  @TempDir private static Path temp;

  private static Path portraits = Path.of("");
  private static Path run = Path.of("");

  @BeforeAll
  static void train() {
    portraits = temp.resolve("portraits");
    WorldSet.PORTRAITS.write(portraits, WorldSet.Split.TEST, 32, 5, 32, Progress.SILENT);
    run = temp.resolve("run");
    CliFixture.train(run, CLIP, portraits, "--layers", "1,2", "--expansion", 2);
  }

  private static CliFixture.Ran edit(String out, Object... more) {
    List<Object> words = new ArrayList<>(List.of("edit", "--run", run, "--json"));
    words.addAll(List.of("--out", temp.resolve(out)));
    words.addAll(List.of(more));
    return CliFixture.run(words.toArray());
  }

  @Test
  void measuresWhatSuppressMeasures() {
    String data = "celeba:" + portraits;
    JsonNode found =
        CliFixture.run(
                "suppress",
                "--run",
                run,
                "--data",
                data,
                "--train",
                data,
                "--validation",
                data,
                "--max-clean-loss",
                100,
                "--out",
                temp.resolve("suppressed"),
                "--json")
            .json();
    assertFalse(found.get("features").isEmpty(), found::toString);
    // An ablation times s leaves (1 − s) of each activation.
    double strength = found.get("reasons").get(0).get("strength").asDouble();
    List<Object> words =
        new ArrayList<>(List.of("--scale", 1 - strength, "--data", data, "--draws", 2));
    for (JsonNode feature : found.get("features")) {
      words.addAll(List.of("--feature", found.get("layer").asInt() + ":" + feature.asInt()));
    }
    JsonNode json = edit("same", words.toArray()).json();
    assertEquals(found.get("features"), json.get("features"));
    assertEquals(found.get("groups"), json.get("effect").get("groups"));
    assertEquals(2, json.get("effect").get("controls").size());
    assertTrue(Files.isRegularFile(temp.resolve("same/effect.json")));
    assertTrue(Files.isRegularFile(temp.resolve("same/manifest.json")));
  }

  @Test
  void topKIsExportedWholeOrWithThresholds() {
    edit("top", "--feature", "1:3", "--feature", "1:9", "--scale", 2).json();
    Path whole = temp.resolve("whole.safetensors");
    JsonNode json = export("top", whole);
    assertEquals(4, json.get("top_k").asInt());
    assertEquals("scale", json.get("rule").asString());
    Path few = temp.resolve("few.safetensors");
    json = export("top", few, "--topk", "calibrated", "--images", portraits);
    assertEquals(0, json.get("top_k").asInt());
    JsonNode fit = json.get("calibration");
    assertEquals(16, fit.get("images").asInt(), "every second image is held out");
    assertTrue(fit.get("disagree").asDouble() <= fit.get("active").asDouble(), fit::toString);
    assertTrue(json.get("bytes").asLong() < 6000, json::toString);
    export("top", temp.resolve("top.onnx"), "--to", "onnx");
    CliFixture.run(
            "export",
            "--edit",
            temp.resolve("top"),
            "--topk",
            "calibrated",
            "--out",
            temp.resolve("y.safetensors"))
        .wrongUsage("--images");
    assertFalse(Files.exists(temp.resolve("y.safetensors")));
  }

  private static JsonNode export(String edit, Path out, Object... more) {
    List<Object> words =
        new ArrayList<>(List.of("export", "--edit", temp.resolve(edit), "--out", out, "--json"));
    words.addAll(List.of(more));
    return CliFixture.run(words.toArray()).json();
  }

  @Test
  void neuronsAndADirectionAreEdited() {
    JsonNode json = edit("neurons", "--neuron", "1:3", "--neuron", "1:20", "--set", -1).json();
    assertEquals(2, json.get("neurons").size());
    export("neurons", temp.resolve("neurons.onnx"), "--to", "onnx");
    Object[] exact = {"export", "--edit", temp.resolve("neurons"), "--images", portraits};
    Path none = temp.resolve("none.safetensors");
    CliFixture.run(exact, "--out", none).wrongUsage("--topk calibrated");
    CliFixture.run(exact, "--topk", "calibrated", "--out", none).refused("no units");
    Path file = temp.resolve("direction.safetensors");
    try (Scope scope = Scope.open()) {
      Tensor along = Tensor.normal(new SplittableRandom(1), 1, WIDTH);
      SafeTensors.write(
          file,
          List.of(new StoredTensor("direction", DType.F32, along.shape(), along.segment())),
          Map.of());
    }
    edit("direction", "--direction", "2:" + file, "--ablate", "--at", "patches").json();
    json = export("direction", temp.resolve("direction_edit.safetensors"));
    assertEquals("patches", json.get("tokens").asString());
    edit("far", "--direction", "7:" + file, "--ablate").refused("--direction 7:", "no such SAE");
    Path wrong = temp.resolve("wrong.safetensors");
    float[] few = new float[WIDTH - 1];
    float[] broken = new float[WIDTH];
    broken[3] = Float.NaN;
    for (var one : Map.of("direction", few, "centre", broken, "decoder", broken).entrySet()) {
      try (Scope scope = Scope.open()) {
        Tensor values = Tensor.of(one.getValue(), one.getValue().length);
        SafeTensors.write(
            wrong,
            List.of(new StoredTensor(one.getKey(), DType.F32, values.shape(), values.segment())),
            Map.of());
      }
      edit("none", "--direction", "2:" + wrong, "--ablate").refused(one.getKey());
    }
    edit("none", "--direction", "2:" + portraits, "--ablate").refused("portraits");
  }

  @Test
  void whatIsNoEditIsRefused() {
    edit("bad", "--ablate").wrongUsage("--feature");
    edit("bad", "--feature", "1:3").wrongUsage("--ablate");
    edit("bad", "--feature", "1:3", "--set", 1, "--ablate").wrongUsage("--ablate");
    edit("bad", "--feature", "1:3", "--neuron", "1:3", "--ablate").refused("two kinds");
    edit("bad", "--feature", "1:3", "--feature", "2:3", "--ablate").refused("one hook point");
    edit("bad", "--feature", "1:48", "--ablate").refused("feature 48", "0 to 47");
    edit("bad", "--neuron", "1:24", "--ablate").refused("neuron 24", "0 to 23");
    edit("bad", "--feature", "1:3", "--cap", -1).refused("--cap", "--ablate");
    edit("bad", "--feature", "1:3", "--ablate", "--clean", portraits).wrongUsage("--data");
    edit("bad", "--feature", "1:3", "--set", "NaN").refused("--set");
    edit("bad", "--feature", "1:3", "--ablate", "--data", "celeba:" + temp)
        .refused(temp.toString());
    assertFalse(Files.exists(temp.resolve("bad")), "a failed command leaves no folder");
  }
}
