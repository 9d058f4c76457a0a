// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.clipsteer.data.InputException;
import io.clipsteer.lab.index.UnitRange;
import java.util.Collections;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Strengths as they are written, and what they mean for a unit. */
final class StrengthTest {
  /** Three activations in [2, 2√2), one in [2√2, 4): the largest is 3. */
  private static final UnitRange RANGE =
      new UnitRange(
          3, Stream.concat(Collections.nCopies(22, 0).stream(), Stream.of(3, 1)).toList());

  @Test
  void numbersMultiplesAndPercentiles() {
    assertEquals(150, Strength.parse("150").of(RANGE));
    assertEquals(-20.5, Strength.parse(" -20.5").of(RANGE));
    assertEquals(6, Strength.parse("2x").of(RANGE), 1e-12);
    assertEquals(-1.5, Strength.parse("-.5x").of(RANGE), 1e-12);
    assertEquals(3, Strength.parse("p100").of(RANGE), 1e-12);
    assertEquals(2 * Math.sqrt(2), Strength.parse("p75").of(RANGE), 1e-12);
  }

  @Test
  void theTextIsReadAgain() {
    for (String text : List.of("150", "2x", "0.5x", "p99", "p99.9", "-20", "1.5")) {
      assertEquals(text, Strength.parse(text).toString());
    }
  }

  @Test
  void othersAreRefused() {
    for (String text :
        List.of("", "x", "p", "high", "p101", "p-1", "NaN", "1e99", "Infinityx", "2xx", "0x1p3")) {
      assertThrows(InputException.class, () -> Strength.parse(text), text);
    }
  }
}
