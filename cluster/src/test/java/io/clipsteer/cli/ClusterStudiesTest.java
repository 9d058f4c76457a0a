// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.Progress;
import io.clipsteer.data.json.JsonFile;
import io.clipsteer.world.WorldSet;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** Studies measured on a cluster say what one machine says. */
final class ClusterStudiesTest {
  private static final Path CLIP =
      Path.of("../engine/src/test/resources/models/hf-clip-quickgelu").toAbsolutePath().normalize();

  @TempDir private static Path temp;

  private static Path things = Path.of("");
  private static Path portraits = Path.of("");
  private static Path run = Path.of("");

  /** What a command printed. */
  private record Ran(int code, String out, String err) {}

  @BeforeAll
  static void train() throws IOException {
    things = temp.resolve("things");
    WorldSet.OBJECTS.write(things, WorldSet.Split.TEST, 40, 6, 48, Progress.SILENT);
    portraits = temp.resolve("portraits");
    WorldSet.PORTRAITS.write(portraits, WorldSet.Split.TEST, 48, 5, 32, Progress.SILENT);
    try (Stream<Path> files = Files.walk(portraits)) {
      List<Path> images = files.filter(f -> f.toString().endsWith(".png")).sorted().toList();
      for (int i = 5; i < images.size(); i += 12) Files.writeString(images.get(i), "no image");
    }
    run = temp.resolve("run");
    String train =
        "train --model %s --images %s --out %s --layers 1,2 --expansion 2 --sae topk:k=4"
            + " --train-tokens 1280 --batch 64";
    assertEquals(0, run(train.formatted(CLIP, things, run)).code);
  }

  private static Ran run(String line, String... more) {
    List<String> words = new ArrayList<>(List.of(line.split(" ")));
    words.addAll(List.of(more));
    StringWriter printed = new StringWriter();
    var told = new ByteArrayOutputStream();
    PrintStream before = System.err;
    System.setErr(new PrintStream(told, true, StandardCharsets.UTF_8));
    try {
      int code = Main.execute(new PrintWriter(printed, true), words.toArray(new String[0]));
      return new Ran(code, printed.toString(), told.toString(StandardCharsets.UTF_8));
    } finally {
      System.setErr(before);
    }
  }

  /** All files but the manifest, measured seconds and the folder's own name left out. */
  private static Map<String, String> files(Path folder) throws IOException {
    Map<String, String> texts = new TreeMap<>();
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        String name = folder.relativize(file).toString();
        if (name.equals("manifest.json") || name.equals(".lock")) continue;
        String text = Files.readString(file, StandardCharsets.ISO_8859_1);
        texts.put(
            name,
            text.replaceAll("(\"\\w*(seconds|prepared)\\w*\" : )[-+.0-9E]+", "$1…")
                .replace(folder.toString(), "OUT"));
      }
    }
    return texts;
  }

  @Test
  void steerability() throws IOException {
    Path words = temp.resolve("words.txt");
    Files.write(words, List.of("cat", "dog", "red", "blue", "square", "car"));
    String line =
        "steerability --run %s --images %s --limit 12 --vocabulary %s".formatted(run, things, words)
            + " --set 2,40 --random-count 80 --dose 2 --vocabulary-sizes 3 --image-batch 4"
            + " --threads 1 --out %s";
    Path here = temp.resolve("here");
    Ran alone = run(line.formatted(here));
    assertEquals(0, alone.code, alone.err);
    Path there = temp.resolve("there");
    Ran ran =
        run(
            line.formatted(there),
            "--master",
            "local[2]",
            "--cluster-conf",
            "spark.default.parallelism=7");
    assertEquals(0, ran.code, ran.err);
    assertTrue(ran.err.contains("Spark's page"), ran.err);
    assertEquals(files(here), files(there));
  }

  /** Of two processes one is killed as soon as answers are there. */
  @Test
  void suppressionThoughAnExecutorIsKilled() throws Exception {
    String line =
        "suppress --run %s --data celeba:%s --sizes 1,4,8 --draws 3 --image-batch 4 --threads 1"
                .formatted(run, portraits)
            + " --max-clean-loss 100 --out %s";
    Path here = temp.resolve("edit");
    Ran alone = run(line.formatted(here));
    assertEquals(0, alone.code, alone.err);
    assertTrue(alone.err.contains(".png"), alone.err);
    Path there = temp.resolve("edit-there");
    Thread killer =
        Thread.ofPlatform()
            .start(
                () -> {
                  while (!Files.exists(there.resolve("progress/validation-sizes/000000.json"))) {
                    sleep();
                  }
                  executors().findFirst().ifPresent(ProcessHandle::destroyForcibly);
                });
    Ran ran = run(line.formatted(there), "--master", "local-cluster[2,1,1024]");
    assertEquals(0, ran.code, ran.err);
    killer.join();
    assertEquals(files(here), files(there));
    assertTrue(executors().findAny().isEmpty(), "an executor is left");
  }

  private static Stream<ProcessHandle> executors() {
    return ProcessHandle.current()
        .descendants()
        .filter(one -> one.info().commandLine().orElse("").contains("CoarseGrainedExecutor"));
  }

  private static void sleep() {
    try {
      Thread.sleep(5);
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  /** With the trained prefix, whose texts the driver makes; partitions of several blocks. */
  @Test
  void defence() throws IOException {
    String line =
        "defend --run %s --images %s --sizes 1,4 --draws 2 --image-batch 4 --threads 1"
                .formatted(run, things)
            + " --defense-prefix=20 --max-clean-loss 100 --out %s";
    Path here = temp.resolve("defended");
    Ran alone = run(line.formatted(here));
    assertEquals(0, alone.code, alone.err);
    Path there = temp.resolve("defended-there");
    Ran ran =
        run(
            line.formatted(there),
            "--master",
            "local[2]",
            "--cluster-conf",
            "spark.default.parallelism=3");
    assertEquals(0, ran.code, ran.err);
    assertTrue(ran.err.contains("Spark's page"), ran.err);
    assertEquals(files(here), files(there));
  }

  /** Tasks and bytes of a plan are those of the command; nothing is written, no Spark starts. */
  @Test
  void plan() throws IOException {
    Path store = temp.resolve("store");
    String harvest =
        "harvest --model %s --images %s --layers 0,2 --image-batch 4 --block-size 12 --threads 1"
                .formatted(CLIP, things)
            + " --out %s".formatted(store);
    JsonNode plan = planned(harvest);
    assertFalse(Files.exists(store));
    assertEquals(0, run(harvest).code);
    long shards = 0;
    long bytes = 0;
    try (Stream<Path> files = Files.list(store.resolve("shards"))) {
      for (Path file : files.toList()) {
        if (file.toString().endsWith(".json")) shards++;
        else if (file.toString().endsWith(".bin")) bytes += Files.size(file);
      }
    }
    JsonNode stage = plan.get("stages").get(0);
    assertEquals(4, shards);
    assertEquals(shards, stage.get("tasks").asLong());
    assertEquals(bytes, stage.get("written_bytes").asLong());
    // Four shards on three executors take two rounds.
    assertEquals(stage.get("seconds").asDouble() / 2, plan.get("seconds").asDouble(), 1e-9);

    String suppress =
        "suppress --run %s --data celeba:%s --image-batch 5 --threads 1 --out %s"
            .formatted(run, portraits, temp.resolve("nothing"));
    JsonNode stages = planned(suppress).get("stages");
    // A quarter of 48 images is the validation set, a half the test set.
    assertEquals(3, stages.get(1).get("tasks").asInt());
    assertEquals(5, stages.get(3).get("tasks").asInt());
    Ran ran = run("cluster plan export --edit x --out y");
    assertEquals(1, ran.code, ran.err);
    assertTrue(ran.err.contains("has no plan"), ran.err);
  }

  private static JsonNode planned(String line) {
    Ran ran = run("cluster plan --json --executors 3 " + line);
    assertEquals(0, ran.code, ran.err);
    return JsonFile.MAPPER.readTree(ran.out);
  }

  @Test
  void doctor() throws IOException {
    Path shared = Files.createDirectory(temp.resolve("shared"));
    String line = "cluster doctor --threads 1 --json --master local[2] --folder ";
    Ran ran = run(line + shared);
    assertEquals(0, ran.code, ran.err);
    JsonNode json = JsonFile.MAPPER.readTree(ran.out);
    assertEquals(1, json.get("executors").size());
    JsonNode one = json.get("executors").get(0);
    assertEquals(ProcessHandle.current().pid(), one.get("process").asLong());
    assertEquals(json.get("driver_cpu"), one.get("cpu"));
    assertEquals(1, one.get("threads").asInt());
    try (Stream<Path> left = Files.list(shared)) {
      assertEquals(0, left.count(), "what the doctor wrote is deleted");
    }
    ran = run(line + shared.resolve("none"));
    assertEquals(2, ran.code, ran.err);
    assertTrue(ran.err.contains("--folder"), ran.err);
  }
}
