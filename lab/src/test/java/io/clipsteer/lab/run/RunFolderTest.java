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

/** Runs as they are written, and as clipsteer wrote them before protocol 2. */
final class RunFolderTest {
  @TempDir private Path run;

  @Test
  void runsAreReadAsTheyAreWritten() throws IOException {
    var entry =
        new RunFolder.SaeEntry(
            "saes/blocks.2.hook_resid_post.topk-k-16",
            "blocks.2.hook_resid_post",
            "all",
            "topk:k=16",
            0.9488335541653898,
            15.73697435897436,
            0.955078125);
    RunFolder folder = new RunFolder(run);
    RunFolder.Run written = new RunFolder.Run("/models/clip", List.of(entry));
    folder.write(written);
    assertEquals(written, folder.read());
    Path file = run.resolve("run.json");
    String before = Files.readString(file).replace("hook_point", "hookPoint");
    Files.writeString(file, before);
    InputException e = assertThrows(InputException.class, folder::read);
    assertTrue(String.valueOf(e.getMessage()).contains("Train again"), e::getMessage);
  }

  @Test
  void indexesOfProtocol1AreRefused() throws IOException {
    Files.createDirectories(run.resolve("index"));
    Files.writeString(
        run.resolve("index/features.json"),
        "{\"protocol\": 1, \"clipsteer\": \"0.1.0\", \"groups\": []}");
    IndexFolder index = IndexFolder.of(new RunFolder(run));
    InputException e = assertThrows(InputException.class, () -> index.read(IndexedUnits.FEATURES));
    assertTrue(String.valueOf(e.getMessage()).contains("index again"), e::getMessage);
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
