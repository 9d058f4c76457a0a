// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.show;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

final class ConsoleProgressTest {
  @Test
  void speedIsThatOfThisStartAlone() {
    assertEquals(
        "3,020/4,000 steps, 2.0 steps/s, 490 s left",
        ConsoleProgress.pace(3000, 3020, 4000, "steps", 10));
    assertEquals(
        "20/4,000 steps, 2.0 steps/s, 1990 s left", ConsoleProgress.pace(0, 20, 4000, "steps", 10));
    assertEquals("500 images, 50 images/s", ConsoleProgress.pace(0, 500, -1, "images", 10));
    assertEquals(
        "3,000/4,000 steps, 0.0 steps/s", ConsoleProgress.pace(3000, 3000, 4000, "steps", 10));
  }
}
