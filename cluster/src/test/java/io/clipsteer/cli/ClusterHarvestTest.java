// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.awt.image.BufferedImage;
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
import java.util.Random;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A store harvested on a cluster has the bytes of one machine's, whatever happens on the way. */
final class ClusterHarvestTest {
  private static final Path CLIP =
      Path.of("../engine/src/test/resources/models/hf-clip-quickgelu").toAbsolutePath().normalize();

  /** Two executors, each a JVM of its own with one processor. */
  private static final String EXECUTORS = "local-cluster[2,1,1024]";

  @TempDir private static Path temp;

  private static Path images = Path.of("");
  private static Path whole = Path.of("");

  /** What a command printed. */
  private record Ran(int code, String out, String err) {}

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
      BufferedImage image = new BufferedImage(40, 33, BufferedImage.TYPE_INT_RGB);
      for (int y = 0; y < 33; y++) {
        for (int x = 0; x < 40; x++) image.setRGB(x, y, random.nextInt(0x1000000));
      }
      ImageIO.write(image, "png", file.toFile());
    }
    whole = temp.resolve("whole");
    assertEquals(0, harvest(whole).code);
  }

  private static Ran harvest(Path out, String... more) {
    List<String> words =
        new ArrayList<>(
            List.of("harvest", "--model", CLIP.toString(), "--images", images.toString()));
    words.addAll(List.of("--layers", "0,2", "--image-batch", "4", "--block-size", "4"));
    words.addAll(List.of("--threads", "1", "--json", "--out", out.toString()));
    words.addAll(List.of(more));
    return run(words);
  }

  private static Ran run(List<String> words) {
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

  private static void assertSame(Path store) throws IOException {
    List<String> names = names(whole);
    assertEquals(names, names(store));
    for (String name : names) {
      assertArrayEquals(
          Files.readAllBytes(whole.resolve(name)), Files.readAllBytes(store.resolve(name)), name);
    }
  }

  /** Of all files but the manifest, which has times. */
  private static List<String> names(Path store) throws IOException {
    try (Stream<Path> files = Files.walk(store)) {
      return files
          .filter(Files::isRegularFile)
          .map(file -> store.relativize(file).toString())
          .filter(name -> !name.equals("manifest.json"))
          .sorted()
          .toList();
    }
  }

  @Test
  void threadsOfOneProcess() throws IOException {
    Path store = temp.resolve("threads");
    Ran ran =
        harvest(store, "--master", "local[2]", "--cluster-conf", "spark.default.parallelism=3");
    assertEquals(0, ran.code, ran.err);
    assertTrue(ran.out.contains("\"skipped\" : 10"), ran.out);
    assertTrue(ran.err.contains("p007.png"), ran.err);
    assertSame(store);
  }

  /** Of two processes one is killed as soon as it computes. */
  @Test
  void anExecutorIsKilled() throws Exception {
    Path store = temp.resolve("killed");
    Thread killer =
        Thread.ofPlatform()
            .start(
                () -> {
                  while (!Files.exists(store.resolve("shards/000000.json"))) sleep();
                  executors().findFirst().ifPresent(ProcessHandle::destroyForcibly);
                });
    Ran ran = harvest(store, "--master", EXECUTORS);
    assertEquals(0, ran.code, ran.err);
    killer.join();
    assertSame(store);
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

  /** As after a driver was killed: some shards are there, one of them damaged. */
  @Test
  void whatIsMissingIsComputed() throws IOException {
    Path store = temp.resolve("stopped");
    assertEquals(0, harvest(store).code);
    Files.delete(store.resolve("complete.json"));
    Files.delete(store.resolve("shards/000003.json"));
    Path damaged = store.resolve("shards/000005.blocks.2.hook_resid_post.bin");
    byte[] bytes = Files.readAllBytes(damaged);
    bytes[3] ^= 1;
    Files.write(damaged, bytes);
    Ran ran =
        harvest(
            store,
            "--resume",
            "--master",
            EXECUTORS,
            "--cluster-conf",
            "spark.default.parallelism=7");
    assertEquals(0, ran.code, ran.err);
    assertTrue(ran.out.contains("\"harvested\" : 8"), ran.out);
    assertSame(store);
  }

  /** A block that fails everywhere ends the command with the block's own line; others stay. */
  @Test
  void aBlockThatFailsIsTold() throws IOException {
    Path store = temp.resolve("failed");
    assertEquals(0, harvest(store).code);
    Files.delete(store.resolve("shards/000009.json"));
    // A folder stands where the shard's file would.
    Path data = store.resolve("shards/000009.blocks.0.hook_resid_post.bin");
    Files.delete(data);
    Files.createDirectories(data.resolve("in the way"));
    Ran ran = harvest(store, "--resume", "--master", "local[1,2]");
    assertEquals(1, ran.code, ran.out);
    String last = ran.err.strip().lines().reduce("", (a, b) -> b);
    assertTrue(last.startsWith("clipsteer: ") && last.contains("000009"), ran.err);
    assertFalse(ran.err.contains("\tat "), ran.err);
    assertTrue(Files.exists(store.resolve("shards/000008.json")));
  }

  @Test
  void wrongUseIsRefusedBeforeSparkStarts() throws IOException {
    Path store = temp.resolve("refused");
    List<String> words = new ArrayList<>(List.of("harvest", "--layers", "0", "--image-batch", "4"));
    words.addAll(List.of("--model", CLIP.toString(), "--images", images.toString()));
    words.addAll(List.of("--out", store.toString(), "--master", "local[2]"));
    Ran ran = run(words);
    assertEquals(2, ran.code);
    assertTrue(ran.err.contains("--threads N"), ran.err);
    ran = harvest(store, "--master", "nowhere");
    assertEquals(1, ran.code);
    assertTrue(ran.err.contains("nowhere"), ran.err);
    assertEquals(1, ran.err.strip().lines().filter(l -> l.startsWith("clipsteer: ")).count());
    ran = harvest(store, "--master", EXECUTORS, "--cluster-conf", "spark.task.cpus=2");
    assertEquals(1, ran.code);
    assertTrue(ran.err.contains("cpus per task"), ran.err);
    assertFalse(Files.exists(store));
    words.addAll(List.of("--threads", "1", "--block-size", "6"));
    ran = run(words);
    assertEquals(2, ran.code);
    assertTrue(ran.err.contains("multiple"), ran.err);
  }
}
