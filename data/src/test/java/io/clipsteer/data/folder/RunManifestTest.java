// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.folder;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RunManifestTest {
  @TempDir Path folder;

  @Test
  void comesBackAsWritten() {
    RunManifest run =
        RunManifest.begin(
            List.of("train", "--seed", "7", "--resume"),
            Map.of("layer", 7, "lr", 0.001, "hook", "blocks.7.hook_resid_post", "list", List.of(1)),
            Map.of("init", 7L, "shuffle", Long.MAX_VALUE),
            Map.of("model", "00ff"),
            Map.of("clipsteer", "0.1.0", "libtorch", "2.10.0"),
            null);
    assertNull(run.ended());
    assertEquals("train", run.name());
    assertEquals(List.of("train", "--seed", "7"), run.command());
    assertTrue(run.machine().cores() > 0 && !run.machine().cpu().isBlank());
    run.writeTo(folder.resolve("run"));
    assertEquals(run, RunManifest.read(folder.resolve("run")));
    RunManifest finished = run.finish(Map.of("sae", "ff00"));
    assertEquals(Map.of("model", "00ff", "sae", "ff00"), finished.hashes());
    finished.writeTo(folder.resolve("run"));
    assertEquals(finished, RunManifest.read(folder.resolve("run")));
    assertNotNull(finished.ended());
  }

  @Test
  void refusesWhatIsNoManifest() {
    assertThrows(InputException.class, () -> RunManifest.read(folder));
    for (String text : List.of("", "{}", "[1]", "{\"command\":1}", "null")) {
      AtomicFiles.writeText(folder.resolve("manifest.json"), text);
      var error = assertThrows(InputException.class, () -> RunManifest.read(folder), text);
      assertTrue(error.toString().contains("manifest.json"), error::toString);
    }
  }
}
