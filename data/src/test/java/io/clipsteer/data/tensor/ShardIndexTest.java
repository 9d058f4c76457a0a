// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.tensor;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.AtomicFiles;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ShardIndexTest {
  @TempDir Path folder;

  private String refusal(Map<String, String> weightMap) {
    Path index = folder.resolve("model.safetensors.index.json");
    AtomicFiles.writeJson(index, Map.of("weight_map", weightMap));
    return assertThrows(InputException.class, () -> TensorFile.open(index)).toString();
  }

  @Test
  void listsAllMissingShardsAtOnce() {
    String message = refusal(Map.of("a", "one.safetensors", "b", "two.safetensors"));
    assertTrue(message.contains("2 of 2 shards are missing"), message);
    assertTrue(message.contains("one.safetensors") && message.contains("two.safetensors"), message);
  }

  @Test
  void namesATensorThatIsNotInItsShard() {
    SafeTensors.write(
        folder.resolve("s.safetensors"),
        List.of(StoredTensor.ofFloats("a", new float[] {1}, 1)),
        Map.of());
    String message = refusal(Map.of("a", "s.safetensors", "lost", "s.safetensors"));
    assertTrue(message.contains("tensor lost should be in s.safetensors"), message);
  }

  @Test
  void staysInItsFolder() {
    for (String name :
        List.of("../s", "/etc/passwd", "a/b", "a\\b", "..", ".", "", "C:s", "a\0b")) {
      String message = refusal(Map.of("a", name));
      assertTrue(message.contains("is not a plain file name"), message);
    }
  }

  @Test
  void knowsGadgetsFromSettings() {
    String evil =
        """
        os system, posix system, nt system, subprocess Popen, sys exit, builtins eval,
        builtins getattr, __builtin__ exec, runpy run_path, importlib.util find_spec,
        operator attrgetter, torch.serialization os.system, pickle loads, io open, torch load,
        torch.hub load
        """;
    for (String name : evil.strip().split(",\\s")) {
      String[] parts = name.split(" ");
      assertTrue(TorchGlobals.isGadget(parts[0], parts[1]), name);
    }
    String plain =
        """
        argparse Namespace, builtins dict, types SimpleNamespace, pathlib PosixPath,
        omegaconf.dictconfig DictConfig, sae.config Config, numpy dtype
        """;
    for (String name : plain.strip().split(",\\s")) {
      String[] parts = name.split(" ");
      assertFalse(TorchGlobals.isGadget(parts[0], parts[1]), name);
    }
  }
}
