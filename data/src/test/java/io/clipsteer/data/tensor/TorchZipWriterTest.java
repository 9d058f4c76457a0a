// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.zip.ZipFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Torch archives that this program writes; bench/peers/check_sae_files.py has torch read them. */
final class TorchZipWriterTest {
  private static final List<StoredTensor> TENSORS =
      List.of(
          StoredTensor.ofFloats("matrix", new float[] {1, -2, 3.5f, 0, Float.MIN_VALUE, 7}, 2, 3),
          StoredTensor.ofFloats("number", new float[] {-1}),
          StoredTensor.ofFloats("größe.none", new float[0], 0, 4));

  @TempDir private Path temp;

  @Test
  void whatIsWrittenIsRead() throws IOException {
    Path file = temp.resolve("a.pt");
    TorchZip.write(file, TENSORS, "");
    try (TensorFile back = TorchZip.open(file)) {
      assertEquals(3, back.tensors().size());
      for (StoredTensor tensor : TENSORS) {
        StoredTensor one = back.get(tensor.name());
        assertArrayEquals(tensor.shape(), one.shape());
        for (long i = 0; i < tensor.elements(); i++) assertEquals(tensor.get(i), one.get(i));
      }
      assertFalse(back.metadata().containsKey(TorchZip.PREAMBLE));
    }
    // Java's own reader checks names, sizes and checksums.
    try (ZipFile zip = new ZipFile(file.toFile())) {
      for (var entry : zip.stream().toList()) {
        try (var in = zip.getInputStream(entry)) {
          assertEquals(entry.getSize(), in.readAllBytes().length, entry.getName());
        }
      }
    }
  }

  @Test
  void equalTensorsGiveEqualBytesAndALineMayComeFirst() throws IOException {
    Path a = temp.resolve("a.pt");
    Path b = temp.resolve("b.pt");
    TorchZip.write(a, TENSORS, "");
    TorchZip.write(b, TENSORS, "{\"schema\": 5}\n");
    byte[] plain = Files.readAllBytes(a);
    byte[] behind = Files.readAllBytes(b);
    int line = "{\"schema\": 5}\n".length();
    assertEquals(plain.length + line, behind.length);
    assertArrayEquals(plain, java.util.Arrays.copyOfRange(behind, line, behind.length));
    try (TensorFile back = TorchZip.open(b)) {
      assertEquals("{\"schema\": 5}", back.metadata().get(TorchZip.PREAMBLE));
      assertEquals(3.5, back.get("matrix").get(2));
    }
  }

  @Test
  void aNameMayOccurOnce() {
    Path file = temp.resolve("twice.pt");
    InputException e =
        assertThrows(
            InputException.class,
            () -> TorchZip.write(file, List.of(TENSORS.get(1), TENSORS.get(1)), ""));
    assertTrue(String.valueOf(e.getMessage()).contains("number"));
    assertFalse(Files.exists(file));
  }
}
