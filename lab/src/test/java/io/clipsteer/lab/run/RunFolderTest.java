// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.run;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.WorkFolder;
import io.clipsteer.lab.index.IndexFolder;
import io.clipsteer.lab.index.IndexedUnits;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Runs as clipsteer wrote them before protocol 2: keys in camelCase, no manifest until the end. */
final class RunFolderTest {
  @TempDir private Path run;

  @Test
  void runsOfProtocol1AreRead() throws IOException {
    Files.writeString(
        run.resolve("run.json"),
        """
        {
          "model" : "/models/clip",
          "saes" : [ {
            "folder" : "saes/blocks.2.hook_resid_post.topk-k-16",
            "hookPoint" : "blocks.2.hook_resid_post",
            "tokens" : "all",
            "variant" : "topk:k=16",
            "explainedVariance" : 0.9488335541653898,
            "l0" : 15.73697435897436,
            "aliveFraction" : 0.955078125
          } ]
        }
        """);
    RunFolder folder = new RunFolder(run);
    RunFolder.Run before = folder.read();
    var entry =
        new RunFolder.SaeEntry(
            "saes/blocks.2.hook_resid_post.topk-k-16",
            "blocks.2.hook_resid_post",
            "all",
            "topk:k=16",
            0.9488335541653898,
            15.73697435897436,
            0.955078125);
    assertEquals(new RunFolder.Run("/models/clip", List.of(entry)), before);
    folder.write(before);
    assertTrue(Files.readString(run.resolve("run.json")).contains("\"hook_point\""));
    assertEquals(before, folder.read());
  }

  @Test
  void indexesOfProtocol1AreRead() throws IOException {
    Files.createDirectories(run.resolve("index"));
    Files.writeString(
        run.resolve("index/features.json"),
        """
        {
          "protocol" : 1,
          "clipsteer" : "0.1.0",
          "model" : "/models/clip",
          "source" : "/images",
          "images" : 2000,
          "labels" : 132,
          "top" : 16,
          "vocabulary" : 141,
          "groups" : [ {
            "sae" : "saes/blocks.2.hook_resid_post.topk-k-16",
            "hookPoint" : "blocks.2.hook_resid_post",
            "tokens" : "all",
            "units" : 1024,
            "rows" : 8,
            "columns" : 8,
            "prefix" : 1
          } ]
        }
        """);
    IndexFolder index = IndexFolder.of(new RunFolder(run));
    index.checkWritable(IndexedUnits.FEATURES);
    var read = index.read(IndexedUnits.FEATURES);
    assertEquals("blocks.2.hook_resid_post", read.groups().getFirst().hookPoint());
    assertEquals(List.of(), read.notes());
  }

  /** A stopped training of protocol 1 has its state and no manifest. */
  @Test
  void stoppedRunsOfProtocol1AreRefused() throws IOException {
    Files.writeString(run.resolve("state.json"), "{\"step\":3,\"config\":\"{}\"}");
    InputException e =
        assertThrows(InputException.class, () -> WorkFolder.check(run, RunFolder.LAYOUT, true));
    String message = String.valueOf(e.getMessage());
    assertTrue(
        message.contains("holds no run to resume: it has no manifest.json. Delete it"), message);
    assertEquals(1, message.lines().count());
  }
}
