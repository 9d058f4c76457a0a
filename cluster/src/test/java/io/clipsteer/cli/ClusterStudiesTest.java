// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.folder.Folders;
import io.clipsteer.data.json.JsonFile;
import io.clipsteer.world.WorldSet;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** Studies measured on a cluster say what one machine says. */
final class ClusterStudiesTest {
  /** This machine's files through Hadoop (core-site.xml of the tests). */
  private static final String HADOOP = "viewfs://test/local";

  @TempDir private static Path temp;

  private static Path things = Path.of("");
  private static Path portraits = Path.of("");
  private static Path run = Path.of("");

  @BeforeAll
  static void train() throws IOException {
    things = temp.resolve("things");
    WorldSet.OBJECTS.write(things, WorldSet.Split.TEST, 40, 6, 48, Progress.SILENT);
    portraits = temp.resolve("portraits");
    WorldSet.PORTRAITS.write(portraits, WorldSet.Split.TEST, 48, 5, 32, Progress.SILENT);
    ClusterFixture.spoil(portraits);
    run = temp.resolve("run");
    String train =
        "train --model %s --images %s --out %s --layers 1,2 --expansion 2 --sae topk:k=4"
            + " --train-tokens 1280 --batch 64";
    ClusterFixture.fine(train.formatted(ClusterFixture.CLIP, things, run));
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
    ClusterFixture.fine(line.formatted(here));
    Path there = temp.resolve("there");
    var ran = ClusterFixture.onCluster(line.formatted(there), "local[2]", 7);
    assertTrue(ran.err().contains("Spark's page"), ran.err());
    ClusterFixture.assertSame(here, there);
  }

  /** Of two processes one is killed as soon as answers are there; they read through Hadoop. */
  @Test
  void suppressionThoughAnExecutorIsKilled() throws Exception {
    String line =
        "suppress --run %s --data celeba:%s --sizes 1,4,8 --draws 3 --image-batch 4 --threads 1"
                .formatted(run, portraits)
            + " --max-clean-loss 100 --out %s";
    Path here = temp.resolve("edit");
    var alone = ClusterFixture.fine(line.formatted(here));
    assertTrue(alone.err().contains(".png"), alone.err());
    Path there = temp.resolve("edit-there");
    Thread killer = ClusterFixture.killer(there.resolve("progress/validation-sizes/000000.json"));
    String through = line.formatted(there).replace("celeba:", "celeba:" + HADOOP);
    ClusterFixture.fine(through, "--master", ClusterFixture.EXECUTORS);
    killer.join();
    ClusterFixture.assertSame(here, there);
    assertTrue(ClusterFixture.executors().findAny().isEmpty(), "an executor is left");
  }

  /** With the trained prefix, whose texts the driver makes; partitions of several blocks. */
  @Test
  void defence() throws IOException {
    String line =
        "defend --run %s --images %s --sizes 1,4 --draws 2 --image-batch 4 --threads 1"
                .formatted(run, things)
            + " --defense-prefix=20 --max-clean-loss 100 --out %s";
    Path here = temp.resolve("defended");
    ClusterFixture.fine(line.formatted(here));
    Path there = temp.resolve("defended-there");
    var ran = ClusterFixture.onCluster(line.formatted(there), "local[2]", 3);
    assertTrue(ran.err().contains("Spark's page"), ran.err());
    ClusterFixture.assertSame(here, there);
  }

  /**
   * Classes are the blocks. The first layer's edits run through the rest of the tower, and features
   * are chosen by their effect.
   */
  @Test
  void selectivity() throws IOException {
    String line = study() + " --layer 1 --select effect --scale 0 --out %s";
    Path here = temp.resolve("selective");
    var alone = ClusterFixture.fine(line.formatted(here));
    assertTrue(alone.err().contains(".png"), alone.err());
    Path there = temp.resolve("selective-there");
    var ran = ClusterFixture.onCluster(line.formatted(there), "local[2]", 3);
    assertTrue(ran.err().contains("Spark's page"), ran.err());
    assertTrue(ran.err().contains(".png"), ran.err());
    assertTrue(ClusterFixture.assertSame(here, there) > 3);
  }

  /** A class fails, others are there; two processes study the rest. */
  @Test
  void selectivityIsResumed() throws IOException {
    String line = study() + " --out %s";
    Path here = temp.resolve("studied");
    ClusterFixture.fine(line.formatted(here));
    Path there = temp.resolve("studied-there");
    ClusterFixture.stopped(here, there);
    List<Path> maps;
    try (Stream<Path> files = Files.list(here.resolve("maps"))) {
      maps = files.map(here::relativize).sorted().toList();
    }
    Path inTheWay = there.resolve(maps.getLast());
    Files.createDirectories(inTheWay.resolve("a folder"));
    var ran = ClusterFixture.run(line.formatted(there), "--resume", "--master", "local[1]");
    assertEquals(1, ran.code(), ran.out());
    assertTrue(ran.err().contains(inTheWay.toString()), ran.err());
    String first = maps.getFirst().getFileName().toString().replaceFirst("_.*", ".json");
    Path studied = there.resolve("classes").resolve(first);
    assertTrue(Files.exists(studied), ran.err());
    Path link = Files.createLink(temp.resolve("studied-before"), studied);
    var before = Files.getLastModifiedTime(link);
    Folders.delete(inTheWay);
    List<String> other = List.of((line.formatted(there) + " --seed 2").split(" "));
    var refused =
        assertThrows(InputException.class, () -> new ClusterCommands().open(other).close());
    assertTrue(("" + refused.getMessage()).contains("other files"), refused::toString);
    ClusterFixture.onCluster(line.formatted(there) + " --resume", ClusterFixture.EXECUTORS, 7);
    ClusterFixture.assertSame(here, there);
    assertEquals(before, Files.getLastModifiedTime(link));
  }

  /** A probe of pixels at layer 2, and the study of its classes; some images cannot be read. */
  private static String study() throws IOException {
    Path scenes = temp.resolve("scenes");
    Path probe = temp.resolve("probe");
    if (!Files.exists(scenes)) {
      ClusterFixture.fine(
          "world generate --set objects --count 80 --size 32 --masks --out " + scenes);
      String train = "probe train --model %s --data segmentation:%s --layer 2 --out %s";
      ClusterFixture.fine(train.formatted(ClusterFixture.CLIP, scenes, probe));
      ClusterFixture.spoil(scenes.resolve("images"));
    }
    String line =
        "study selectivity --run %s --probe %s --data segmentation:%s --controls 2 --threads 1";
    return line.formatted(run, probe, scenes);
  }

  /** Tasks and bytes of a plan are those of the command; nothing is written, no Spark starts. */
  @Test
  void plan() throws IOException {
    Path store = temp.resolve("store");
    String harvest =
        "harvest --model %s --images %s --layers 0,2 --image-batch 4 --block-size 12 --threads 1"
                .formatted(ClusterFixture.CLIP, things)
            + " --out %s".formatted(store);
    JsonNode plan = planned(harvest);
    assertFalse(Files.exists(store));
    ClusterFixture.fine(harvest);
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
    // The same deal of 40 images, each of them without and with a word.
    String defend =
        "defend --run %s --images %s --image-batch 4 --threads 1 --out %s"
            .formatted(run, things, temp.resolve("nothing"));
    stages = planned(defend).get("stages");
    assertEquals("writing words on images", stages.get(0).get("name").asString());
    assertTrue(stages.get(0).get("written_bytes").asLong() > 40 * 100);
    assertEquals(2 * 3, stages.get(2).get("tasks").asInt());
    assertEquals(2 * 5, stages.get(4).get("tasks").asInt());

    // Four SAEs of 48 features of width 24, in a store of two bytes for each number.
    String train =
        "train --store %s --layers 0,2 --sae topk:k=4 --sae relu:l1=1e-3 --expansion 2 --batch 64"
                .formatted(store)
            + " --train-tokens 1280 --threads 1 --out %s".formatted(temp.resolve("nothing"));
    stage = planned(train).get("stages").get(0);
    assertEquals(4, stage.get("tasks").asInt());
    assertEquals(4 * 1280 * 24 * 2, stage.get("read_bytes").asLong());
    assertEquals(4 * (2 * 24 * 48 + 48 + 24) * 4, stage.get("written_bytes").asLong());
    assertEquals(4.0 * 1280 * 2 * 24 * 48, stage.get("flops").asDouble());
    assertTrue(stage.get("seconds").asDouble() > 0);
    assertFalse(Files.exists(temp.resolve("nothing")));
    var ran = ClusterFixture.run("cluster plan export --edit x --out y");
    assertEquals(1, ran.code(), ran.err());
    assertTrue(ran.err().contains("has no plan"), ran.err());
  }

  private static JsonNode planned(String line) {
    var ran = ClusterFixture.run("cluster plan --json --executors 3 " + line);
    assertEquals(0, ran.code(), ran.err());
    return JsonFile.MAPPER.readTree(ran.out());
  }

  @Test
  void doctor() throws IOException {
    Path shared = Files.createDirectory(temp.resolve("shared"));
    String line = "cluster doctor --threads 1 --json --master local[2] --folder ";
    var ran = ClusterFixture.run(line + shared);
    assertEquals(0, ran.code(), ran.err());
    JsonNode json = JsonFile.MAPPER.readTree(ran.out());
    assertEquals(1, json.get("executors").size());
    JsonNode one = json.get("executors").get(0);
    assertEquals(ProcessHandle.current().pid(), one.get("process").asLong());
    assertEquals(json.get("driver_cpu"), one.get("cpu"));
    assertEquals(1, one.get("threads").asInt());
    try (Stream<Path> left = Files.list(shared)) {
      assertEquals(0, left.count(), "what the doctor wrote is deleted");
    }
    ran = ClusterFixture.run(line + shared.resolve("none"));
    assertEquals(2, ran.code(), ran.err());
    assertTrue(ran.err().contains("--folder"), ran.err());
  }
}
