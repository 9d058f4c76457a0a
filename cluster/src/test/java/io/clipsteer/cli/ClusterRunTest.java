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
    var trained =
        ClusterFixture.run(
            words(
                "train --model %s --images %s --layers 1,2 --sae topk:k=4 --train-tokens 1280"
                    + " --batch 64 --out %s",
                ClusterFixture.CLIP, images, run));
    assertEquals(0, trained.code(), trained.err());
    for (String command : List.of("evaluate", "index")) {
      var ran = ClusterFixture.run(command(command, run));
      assertEquals(0, ran.code(), ran.err());
    }
  }

  private static List<String> words(String line, Object... values) {
    return new ArrayList<>(List.of(line.formatted(values).split(" ")));
  }

  private static List<String> command(String name, Path of, String... more) {
    List<String> words =
        words(
            "%s --run %s --images %s --image-batch 4 --block-size 16 --threads 1",
            name, of, images);
    words.addAll(List.of(more));
    return words;
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

  @Test
  void anEvaluationByThreadsOfOneProcess() throws IOException {
    Path other = copy("evaluated");
    var ran =
        ClusterFixture.run(
            command(
                "evaluate",
                other,
                "--master",
                "local[2]",
                "--cluster-conf",
                "spark.default.parallelism=3"));
    assertEquals(0, ran.code(), ran.err());
    assertTrue(ran.err().contains("p07.png"), ran.err());
    assertSame(other, "evaluation.json");
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
    var ran = ClusterFixture.run(command("index", other, cluster));
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
        ClusterFixture.run(
            command(
                "index",
                other,
                "--resume",
                "--master",
                ClusterFixture.EXECUTORS,
                "--cluster-conf",
                "spark.default.parallelism=7"));
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
    var ran =
        ClusterFixture.run(
            words(
                "harvest --model %s --images %s --layers 1,2 --image-batch 4 --threads 1 --out %s",
                ClusterFixture.CLIP, images, store));
    assertEquals(0, ran.code(), ran.err());
    Path here = temp.resolve("here");
    assertEquals(0, sweep(store, here).code());
    Path apart = temp.resolve("apart");
    Path inTheWay = apart.resolve("apart/3");
    Files.createDirectories(inTheWay.getParent());
    Files.writeString(inTheWay, "a file");
    String[] cluster = {"--resume", "--master", "local[2,1]"};
    // As after a driver was killed: a manifest without an end.
    Files.copy(here.resolve("manifest.json"), apart.resolve("manifest.json"));
    Path manifest = apart.resolve("manifest.json");
    Files.writeString(
        manifest,
        Files.readString(manifest).replaceFirst("\"ended\" : \"[^\"]*\"", "\"ended\" : null"));
    ran = sweep(store, apart, cluster);
    assertEquals(1, ran.code(), ran.out());
    assertTrue(Files.exists(apart.resolve("apart/0/trained.json")), ran.err());
    assertFalse(Files.exists(apart.resolve("run.json")));
    Files.delete(inTheWay);
    ran = sweep(store, apart, cluster);
    assertEquals(0, ran.code(), ran.err());
    assertFalse(Files.exists(apart.resolve("apart")));
    List<String> names = ClusterFixture.files(here);
    assertTrue(names.size() > 10, names.toString());
    assertEquals(names, ClusterFixture.files(apart));
    for (String name : names) {
      assertArrayEquals(
          Files.readAllBytes(here.resolve(name)), Files.readAllBytes(apart.resolve(name)), name);
    }
    ran =
        ClusterFixture.run(
            words("train --layers 0 --images x --model y --out z --threads 1 --master local"));
    assertEquals(2, ran.code());
    assertTrue(ran.err().contains("--master trains on a store"), ran.err());
  }

  private static ClusterFixture.Ran sweep(Path store, Path out, String... more) {
    List<String> words =
        words(
            "train --store %s --model %s --layers 1,2 --sae topk:k=4 --sae jumprelu:l0=1e-3"
                + " --train-tokens 1280 --batch 64 --threads 1 --out %s",
            store, ClusterFixture.CLIP, out);
    words.addAll(List.of(more));
    return ClusterFixture.run(words);
  }

  @Test
  void textsAreEvaluatedHere() throws IOException {
    Path texts = Files.writeString(temp.resolve("texts.txt"), "a bird\n");
    var ran =
        ClusterFixture.run(
            words("evaluate --run %s --texts %s --threads 1 --master local[2]", run, texts));
    assertEquals(2, ran.code());
    assertTrue(ran.err().contains("--master: has no use with --texts"), ran.err());
  }
}
