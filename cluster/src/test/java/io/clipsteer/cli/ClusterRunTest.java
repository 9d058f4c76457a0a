// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.folder.Folders;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** An evaluation, an index and SAEs computed on a cluster have the bytes of one machine's. */
final class ClusterRunTest {
  @TempDir private static Path temp;

  private static Path images = Path.of("");
  private static Path run = Path.of("");

  @BeforeAll
  static void trainHere() throws IOException {
    images = temp.resolve("images");
    ClusterFixture.images(images, List.of("bird", "cat", "dog"), 40);
    run = temp.resolve("run");
    String train =
        "train --model %s --images %s --layers 1,2 --sae topk:k=4 --train-tokens 1280 --batch 64"
            + " --out %s";
    ClusterFixture.fine(train.formatted(ClusterFixture.CLIP, images, run));
    for (String command : List.of("evaluate", "index")) {
      var ran = measured(command, run);
      assertEquals(0, ran.code(), ran.err());
    }
  }

  private static ClusterFixture.Ran measured(String command, Path of, String... more) {
    return measured(command, of, images, more);
  }

  private static ClusterFixture.Ran measured(String command, Path of, Path images, String... more) {
    String line = "%s --run %s --images %s --image-batch 4 --block-size 16 --threads 1";
    return ClusterFixture.run(line.formatted(command, of, images), more);
  }

  /** The run without what evaluate and index added. */
  private static Path copy(String name) throws IOException {
    Path to = temp.resolve(name);
    try (Stream<Path> files = Files.walk(run)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        Path own = run.relativize(file);
        if (own.startsWith("index") || own.toString().startsWith("evaluation")) continue;
        Files.createDirectories(to.resolve(own).getParent());
        Files.copy(file, to.resolve(own));
      }
    }
    return to;
  }

  private static void assertSame(Path other, String... names) throws IOException {
    for (String name : names) {
      assertArrayEquals(
          Files.readAllBytes(run.resolve(name)), Files.readAllBytes(other.resolve(name)), name);
    }
  }

  /** Without the images' place, which is the archive's, and the note that it was trained on. */
  private static String figures(Path run) throws IOException {
    String text = Files.readString(run.resolve("evaluation.json"));
    assertTrue(text.length() > 3000, text);
    return text.replaceFirst("\"source\" : .*", "").replaceFirst("\"notes\" : .*", "");
  }

  /** Of an archive of the images. */
  @Test
  void anEvaluationByThreadsOfOneProcess() throws IOException {
    Path other = copy("evaluated");
    Path archive = temp.resolve("images.tar");
    ClusterFixture.tar(images, ClusterFixture.files(images), archive);
    String[] cluster = {"--master", "local[2]", "--cluster-conf", "spark.default.parallelism=3"};
    var ran = measured("evaluate", other, archive, cluster);
    assertEquals(0, ran.code(), ran.err());
    assertTrue(ran.err().contains("p07.png"), ran.err());
    assertEquals(figures(run), figures(other));
    assertFalse(Files.exists(other.resolve("evaluation.blocks")));
  }

  /** By two processes; a block of a stopped command is taken over, a damaged one is not. */
  @Test
  void anIndexIsResumed() throws IOException {
    Path other = copy("indexed");
    Path blocks = other.resolve("index/features.blocks");
    Path inTheWay = blocks.resolve("indexing-5.block");
    Files.createDirectories(inTheWay.resolve("a folder"));
    String[] cluster = {"--resume", "--master", "local[2,1]"};
    var ran = measured("index", other, cluster);
    assertEquals(1, ran.code(), ran.out());
    Path whole = blocks.resolve("indexing-0.block");
    Path damaged = blocks.resolve("indexing-1.block");
    assertTrue(Files.exists(whole) && Files.exists(damaged), ran.err());
    assertFalse(Files.exists(other.resolve("index/features.json")));
    Folders.delete(inTheWay);
    byte[] bytes = Files.readAllBytes(damaged);
    bytes[bytes.length / 2] ^= 1;
    Files.write(damaged, bytes);
    var before = Files.getLastModifiedTime(whole);
    // The blocks are deleted at the end: a link shows whether this one was written again.
    Path link = Files.createLink(temp.resolve("whole"), whole);
    ran =
        measured(
            "index",
            other,
            "--resume",
            "--master",
            ClusterFixture.EXECUTORS,
            "--cluster-conf",
            "spark.default.parallelism=7");
    assertEquals(0, ran.code(), ran.err());
    assertEquals(before, Files.getLastModifiedTime(link));
    assertFalse(Files.exists(blocks));
    List<String> names = new ArrayList<>();
    for (String table : List.of("images", "labels", "names", "tops")) {
      names.add("index/feature_" + table + ".parquet");
    }
    names.addAll(
        List.of(
            "index/features.parquet", "index/features.json", "index/feature_vectors.safetensors"));
    assertSame(other, names.toArray(String[]::new));
  }

  /** SAEs that are trained apart, one of them after a stop, make the run of one process. */
  @Test
  void aSweepIsResumed() throws IOException {
    Path store = temp.resolve("store");
    String harvest =
        "harvest --model %s --images %s --layers 1,2 --image-batch 4 --threads 1 --out %s";
    ClusterFixture.fine(harvest.formatted(ClusterFixture.CLIP, images, store));
    Path here = temp.resolve("here");
    assertEquals(0, sweep(store, here).code());
    Path apart = temp.resolve("apart");
    Path inTheWay = apart.resolve("apart/3");
    Files.createDirectories(inTheWay.getParent());
    Files.writeString(inTheWay, "a file");
    String[] cluster = {"--resume", "--master", "local[2,1]"};
    ClusterFixture.stopped(here, apart);
    var ran = sweep(store, apart, cluster);
    assertEquals(1, ran.code(), ran.out());
    assertTrue(Files.exists(apart.resolve("apart/0/trained.json")), ran.err());
    assertFalse(Files.exists(apart.resolve("run.json")));
    Files.delete(inTheWay);
    ran = sweep(store, apart, cluster);
    assertEquals(0, ran.code(), ran.err());
    assertFalse(Files.exists(apart.resolve("apart")));
    assertTrue(ClusterFixture.assertSame(here, apart) > 10);
    ran =
        ClusterFixture.run(
            "train --layers 0 --images x --model y --out z --threads 1 --master local");
    assertEquals(2, ran.code());
    assertTrue(ran.err().contains("--master trains on a store"), ran.err());
  }

  private static ClusterFixture.Ran sweep(Path store, Path out, String... more) {
    String line =
        "train --store %s --model %s --layers 1,2 --sae topk:k=4 --sae jumprelu:l0=1e-3"
            + " --train-tokens 1280 --batch 64 --threads 1 --out %s";
    return ClusterFixture.run(line.formatted(store, ClusterFixture.CLIP, out), more);
  }

  @Test
  void textsAreEvaluatedHere() throws IOException {
    Path texts = Files.writeString(temp.resolve("texts.txt"), "a bird\n");
    String line = "evaluate --run %s --texts %s --threads 1 --master local[2]";
    var ran = ClusterFixture.run(line.formatted(run, texts));
    assertEquals(2, ran.code());
    assertTrue(ran.err().contains("--master: has no use with --texts"), ran.err());
  }
}
