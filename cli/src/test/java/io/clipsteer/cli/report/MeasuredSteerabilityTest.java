// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class MeasuredSteerabilityTest {
  private static final String HEAD =
      "unit,images,s,s_unbiased,low,high,s_semantic,power,promoted,suppressed\n";

  @TempDir Path dir;

  @BeforeEach
  void folder() throws IOException {
    Files.writeString(
        dir.resolve("steerability.json"),
        "{\"protocol\":2,\"set\":[\"1x\",150.0],\"layers\":["
            + "{\"layer\":1,\"sae\":\"saes/x\",\"unit\":\"features\",\"set\":\"1x\"},"
            + "{\"layer\":1,\"sae\":\"saes/x\",\"unit\":\"features\",\"set\":150.0}]}");
    Files.writeString(
        dir.resolve("x.features.150.csv"), HEAD + "7,3,0.9,0.8,0.3,0.6,0.2,1.5,z,y\n");
  }

  /** A word may hold what separates cells. */
  @Test
  void wordsHoldCommasAndQuotes() throws IOException {
    write("7,3,0.5,0.4,0.3,0.6,0.2,1.5,\"a\"\",\"\"b +0.1; x\",\"c, d -0.2\"\n");
    MeasuredSteerability.Unit score =
        Objects.requireNonNull(MeasuredSteerability.read(dir).of("saes/x", 7));
    assertEquals("a\",\"b +0.1; x", score.promoted());
    assertEquals("c, d -0.2", score.suppressed());
    assertEquals(0.2, score.semantic());
    assertEquals("1x", score.set());
    assertEquals("150", score.more().getFirst().set());
    assertEquals(0.9, score.more().getFirst().s());
    write("");
    assertEquals(
        1, MeasuredSteerability.read(dir).features().size(), "an SAE without a measured feature");
  }

  @Test
  void namesTheLineOfAFault() throws IOException {
    write("7,3,0.5,0.4,0.3,0.6,0.2,1.5,a,b\n8,3,0.5,x,0.3,0.6,0.2,1.5,a,b\n");
    refused("x.features.1x.csv, line 3", "s_unbiased is 'x'");
    write("7,3,0.5,0.4,0.3,0.6,0.2,1.5,a, b, c\n");
    refused("x.features.1x.csv, line 2", "11 cells for 10 columns");
  }

  private void write(String rows) throws IOException {
    Files.writeString(dir.resolve("x.features.1x.csv"), HEAD + rows);
  }

  private void refused(String... parts) {
    InputException e = assertThrows(InputException.class, () -> MeasuredSteerability.read(dir));
    for (String part : parts) {
      assertTrue(String.valueOf(e.getMessage()).contains(part), part + " | " + e.getMessage());
    }
  }
}
