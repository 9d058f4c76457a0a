// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputPaths;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A store harvested on a cluster has the bytes of one machine's, whatever happens on the way. */
final class ClusterHarvestTest {
  @TempDir private static Path temp;

  private static Path images = Path.of("");
  private static Path whole = Path.of("");

  @BeforeAll
  static void harvestHere() throws IOException {
    images = Files.createDirectory(temp.resolve("images"));
    Random random = new Random(4);
    for (int i = 0; i < 120; i++) {
      Path file = images.resolve("p%03d.png".formatted(i));
      // One of twenty, and one whole block.
      if (i % 20 == 7 || i >= 40 && i < 44) {
        Files.writeString(file, "no image");
        continue;
      }
      ClusterFixture.image(file, random);
    }
    whole = temp.resolve("whole");
    assertEquals(0, harvest(whole).code());
  }

  private static ClusterFixture.Ran harvest(Path out, String... more) {
    return harvest(images, out, more);
  }

  private static ClusterFixture.Ran harvest(Path images, Path out, String... more) {
    String line =
        "harvest --model %s --images %s --layers 0,2 --image-batch 4 --block-size 4 --threads 1"
            + " --json --out %s";
    return ClusterFixture.run(line.formatted(ClusterFixture.CLIP, images, out), more);
  }

  @Test
  void threadsOfOneProcess() throws IOException {
    Path store = temp.resolve("threads");
    var ran =
        harvest(store, "--master", "local[2]", "--cluster-conf", "spark.default.parallelism=3");
    assertEquals(0, ran.code(), ran.err());
    assertTrue(ran.out().contains("\"skipped\" : 10"), ran.out());
    assertTrue(ran.err().contains("p007.png"), ran.err());
    ClusterFixture.assertSame(whole, store);
  }

  /** Shards whose ends are inside blocks, read through Hadoop. */
  @Test
  void shardsThroughHadoop() throws IOException {
    Path shards = Files.createDirectory(temp.resolve("shards"));
    List<String> names = ClusterFixture.files(images);
    for (int i = 0; i < 3; i++) {
      List<String> own = names.subList(i * 30, i * 30 + 30);
      ClusterFixture.tar(images, own, shards.resolve("shard-%06d.tar".formatted(i)));
    }
    Path here = temp.resolve("shards-here");
    assertEquals(0, harvest(shards, here).code());
    Path store = temp.resolve("shards-there");
    Path address = InputPaths.of("viewfs://test/local" + shards);
    var ran = harvest(address, store, "--master", "local[2]");
    assertEquals(0, ran.code(), ran.err());
    assertTrue(ran.err().contains("shard-000001.tar/p047.png"), ran.err());
    ClusterFixture.assertSame(here, store);
  }

  /** Of two processes one is killed as soon as it computes. An archive gives the folder's store. */
  @Test
  void anExecutorIsKilled() throws Exception {
    Path archive = temp.resolve("images.tar");
    ClusterFixture.tar(images, ClusterFixture.files(images), archive);
    Path store = temp.resolve("killed");
    Thread killer = ClusterFixture.killer(store.resolve("shards/000000.json"));
    var ran = harvest(archive, store, "--master", ClusterFixture.EXECUTORS);
    assertEquals(0, ran.code(), ran.err());
    killer.join();
    ClusterFixture.assertSame(whole, store);
    assertTrue(ClusterFixture.executors().findAny().isEmpty(), "an executor is left");
  }

  /** As after a driver was killed: some shards are there, one of them damaged. */
  @Test
  void whatIsMissingIsComputed() throws IOException {
    Path store = temp.resolve("stopped");
    assertEquals(0, harvest(store).code());
    Files.delete(store.resolve("complete.json"));
    Files.delete(store.resolve("shards/000003.json"));
    Path damaged = store.resolve("shards/000005.blocks.2.hook_resid_post.bin");
    byte[] bytes = Files.readAllBytes(damaged);
    bytes[3] ^= 1;
    Files.write(damaged, bytes);
    var ran =
        harvest(
            store,
            "--resume",
            "--master",
            ClusterFixture.EXECUTORS,
            "--cluster-conf",
            "spark.default.parallelism=7");
    assertEquals(0, ran.code(), ran.err());
    assertTrue(ran.out().contains("\"harvested\" : 8"), ran.out());
    ClusterFixture.assertSame(whole, store);
  }

  /** Two tasks fail by what is in their way; it is gone when the block is tried once more. */
  @Test
  void aTaskFailsTwice() throws IOException {
    Path store = temp.resolve("twice");
    assertEquals(0, harvest(store).code());
    FailedTasks.start(blocked(store));
    var ran =
        harvest(
            store,
            "--resume",
            "--master",
            ClusterFixture.EXECUTORS,
            "--cluster-conf",
            "spark.task.maxFailures=4",
            "--cluster-conf",
            "spark.extraListeners=" + FailedTasks.class.getName());
    assertEquals(0, ran.code(), ran.err());
    assertTrue(FailedTasks.count() >= 2, "failed " + FailedTasks.count() + " times");
    assertTrue(ran.out().contains("\"harvested\" : 15"), ran.out());
    ClusterFixture.assertSame(whole, store);
  }

  /** Shards 6 to 9 are missing; a folder stands where the last one's file would. */
  private static Path blocked(Path store) throws IOException {
    for (int i = 6; i < 10; i++) Files.delete(store.resolve("shards/%06d.json".formatted(i)));
    Path data = store.resolve("shards/000009.blocks.0.hook_resid_post.bin");
    Files.delete(data);
    Files.createDirectories(data.resolve("in the way"));
    return data;
  }

  /** A block that fails everywhere ends the command with the block's own line; others stay. */
  @Test
  void aBlockThatFailsIsTold() throws IOException {
    Path store = temp.resolve("failed");
    assertEquals(0, harvest(store).code());
    blocked(store);
    var ran = harvest(store, "--resume", "--master", "local[1,2]");
    assertEquals(1, ran.code(), ran.out());
    String last = ran.err().strip().lines().reduce("", (a, b) -> b);
    assertTrue(last.startsWith("clipsteer: ") && last.contains("000009"), ran.err());
    assertFalse(ran.err().contains("\tat "), ran.err());
    assertTrue(Files.exists(store.resolve("shards/000008.json")));
  }

  @Test
  void wrongUseIsRefusedBeforeSparkStarts() throws IOException {
    Path store = temp.resolve("refused");
    String line =
        "harvest --layers 0 --image-batch 4 --model %s --images %s --out %s --master local[2]"
            .formatted(ClusterFixture.CLIP, images, store);
    var ran = ClusterFixture.run(line);
    assertEquals(2, ran.code());
    assertTrue(ran.err().contains("--threads N"), ran.err());
    ran = harvest(store, "--master", "nowhere");
    assertEquals(1, ran.code());
    assertTrue(ran.err().contains("nowhere"), ran.err());
    assertEquals(1, ran.err().strip().lines().filter(l -> l.startsWith("clipsteer: ")).count());
    ran =
        harvest(store, "--master", ClusterFixture.EXECUTORS, "--cluster-conf", "spark.task.cpus=2");
    assertEquals(1, ran.code());
    assertTrue(ran.err().contains("cpus per task"), ran.err());
    assertFalse(Files.exists(store));
    ran = ClusterFixture.run(line, "--threads", "1", "--block-size", "6");
    assertEquals(2, ran.code());
    assertTrue(ran.err().contains("multiple"), ran.err());
  }
}
