// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A state comes back as it was written, or not at all. */
class StateFileTest {
  @TempDir private Path temp;

  private Path written() {
    Path file = temp.resolve("state.safetensors");
    StateFile.write(
        file,
        List.of(
            StoredTensor.ofFloats("weights", new float[] {1, -2, 3, 0.5f, 0, 7}, 2, 3),
            StoredTensor.ofFloats("moments", new float[] {4, 5}, 2)),
        Map.of("steps", "12", "log", "a line\n"));
    return file;
  }

  @Test
  void whatWasWrittenIsRead() {
    try (TensorFile file = StateFile.open(written())) {
      assertEquals("12", file.metadata().get("steps"));
      assertArrayEquals(new float[] {4, 5}, file.get("moments").toFloats());
    }
  }

  @Test
  void everyDamagedByteIsNoticed() throws IOException {
    Path file = written();
    byte[] good = Files.readAllBytes(file);
    for (int at = 0; at < good.length; at++) {
      byte[] bad = good.clone();
      bad[at] ^= 1;
      Files.write(file, bad);
      InputException e = assertThrows(InputException.class, () -> StateFile.open(file), "at " + at);
      assertTrue(String.valueOf(e.getMessage()).contains("state.safetensors: "), e.getMessage());
    }
    for (int size = 0; size < good.length; size++) {
      Files.write(file, Arrays.copyOf(good, size));
      InputException e = assertThrows(InputException.class, () -> StateFile.open(file));
      assertTrue(String.valueOf(e.getMessage()).contains("start in a new folder"), e.getMessage());
    }
  }

  @Test
  void whatHasNoChecksumIsRefused() {
    Path file = temp.resolve("plain.safetensors");
    SafeTensors.write(file, List.of(StoredTensor.ofFloats("w", new float[] {1}, 1)), Map.of());
    InputException e = assertThrows(InputException.class, () -> StateFile.open(file));
    assertTrue(String.valueOf(e.getMessage()).contains("has no checksum"), e.getMessage());
    Path none = temp.resolve("none.safetensors");
    e = assertThrows(InputException.class, () -> StateFile.open(none));
    assertTrue(String.valueOf(e.getMessage()).contains("is missing"), e.getMessage());
  }
}
