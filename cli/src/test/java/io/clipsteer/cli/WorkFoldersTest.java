// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.folder.FolderLock;
import io.clipsteer.data.folder.RunManifest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Every command that writes a folder: its manifest, its lock, and what it leaves when it fails. */
final class WorkFoldersTest {
  private static final String CLIP = "../engine/src/test/resources/models/hf-clip-quickgelu";

  @TempDir private Path temp;

  /**
   * A command that writes a folder.
   *
   * @param line its words; those that begin with {@code @} are paths below the test's folder
   * @param folder where it writes, of such a path
   * @param manifest the manifest's name
   * @param hashes names of hashes that the manifest must have
   */
  private record Case(String line, String folder, String manifest, Set<String> hashes) {
    Case(String line, String folder, String... hashes) {
      this(line + " --out @" + folder, folder, RunManifest.FILE, Set.of(hashes));
    }

    Object[] words(Path temp) {
      return Stream.of(line.split(" "))
          .map(word -> word.replace("@", temp + "/"))
          .toArray(Object[]::new);
    }
  }

  private static final String SAE = "saes/blocks.1.hook_resid_post.topk-k-4";

  private static final List<Case> CASES =
      List.of(
          new Case("world generate --set objects --count 40 --size 32 --seed 7", "things"),
          new Case("world generate --set portraits --count 32 --size 32 --seed 7", "portraits"),
          new Case("world model", "demo-clip", "model"),
          new Case("attack --images @things --limit 8 --seed 7", "attacked", "data"),
          new Case(
              "harvest --model CLIP --images @things --layers 1 --seed 7",
              "store",
              "model",
              "data"),
          new Case(
              "train --model CLIP --images @things --layers 1,2 --sae topk:k=4 --expansion 2"
                  + " --train-tokens 1280 --batch 64 --seed 7",
              "run",
              "model",
              "data"),
          new Case(
              "evaluate --run @run --images @things --seed 7",
              "run",
              "evaluation.manifest.json",
              Set.of("model", "data", SAE)),
          new Case(
              "index --run @run --images @things --seed 7",
              "run/index",
              RunManifest.FILE,
              Set.of("model", "data", SAE)),
          new Case(
              "index --run @run --images @things --units neurons --seed 7",
              "run/index",
              "neurons.manifest.json",
              Set.of("model", "data", SAE)),
          new Case(
              "steerability --run @run --images @things --limit 4 --classes cat,dog --seed 7"
                  + " --random-count 4",
              "steerability",
              "model",
              "data",
              "words",
              SAE),
          new Case("compare @run @run --seed 7", "compared", "model", "a/" + SAE),
          new Case(
              "suppress --run @run --data celeba:@portraits --sizes 1 --draws 2 --seed 7",
              "edit",
              "model",
              "data",
              SAE),
          new Case(
              "defend --run @run --images @things --sizes 1 --draws 2 --seed 7",
              "defended",
              "model",
              "data",
              SAE),
          new Case(
              "sae convert @run/" + SAE + " --to saelens --seed 7",
              "converted",
              "sae_weights.safetensors"));

  @Test
  void everyFolderHasAManifestAndIsLockedWhileItIsWritten() throws IOException {
    for (Case one : CASES) {
      Path folder = temp.resolve(one.folder);
      Object[] words =
          Stream.of(one.words(temp)).map(word -> word.equals("CLIP") ? CLIP : word).toArray();
      boolean there = Files.exists(folder);
      try (FolderLock lock = FolderLock.take(folder)) {
        CliFixture.run(words).refused("is being written by another run");
      }
      if (!there) Files.deleteIfExists(folder);
      var ran = CliFixture.run(words);
      assertEquals(0, ran.code(), ran.err());
      RunManifest manifest =
          Objects.requireNonNull(RunManifest.find(folder.resolve(one.manifest)), one.line);
      assertNotNull(manifest.ended(), one.line);
      assertTrue(manifest.hashes().keySet().containsAll(one.hashes), manifest::toString);
      for (String version : List.of("clipsteer", "java", "libtorch")) {
        assertTrue(manifest.versions().containsKey(version), manifest::toString);
      }
      assertFalse(Files.exists(folder.resolve(FolderLock.NAME)), one.line);
      if (one.folder.equals("demo-clip")) continue; // It has the manifest of its pretraining.
      assertEquals(Stream.of(words).map(Object::toString).toList(), manifest.command());
      assertEquals(List.of(7L), List.copyOf(manifest.seeds().values()), one.line);
      assertFalse(manifest.config().isEmpty(), one.line);
    }
  }

  @Test
  void aCommandThatFailsLeavesNoFolder() throws IOException {
    Path images = Files.createDirectory(temp.resolve("images"));
    Files.writeString(images.resolve("torn.png"), "no image");
    List<String> before = List.of("images");
    for (String out : List.of("deep/er/out", "none/../ü")) {
      CliFixture.line(
              "train --model %s --images %s --layers 1 --sae topk:k=4 --out %s",
              CLIP, images, temp + "/" + out)
          .refused(temp.toString());
      CliFixture.line(
              "harvest --model %s --images %s --layers 1 --out %s", CLIP, images, temp + "/" + out)
          .refused(temp.toString());
      try (Stream<Path> all = Files.list(temp)) {
        assertEquals(before, all.map(path -> path.getFileName().toString()).sorted().toList());
      }
    }
  }
}
