// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.imageset;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import java.util.List;
import org.junit.jupiter.api.Test;

final class WrittenNameTest {
  @Test
  void everyLabelComesBack() {
    for (String word :
        List.of(
            "dog",
            "CD/DVD player",
            "n02101006_Gordon_setter",
            "a=b",
            "50%",
            "%2F",
            "a\\b",
            "été")) {
      String name = WrittenName.encode(word);
      assertTrue(name.chars().noneMatch(c -> "_=/\\".indexOf(c) >= 0), name);
      assertEquals(word, WrittenName.decode(name));
    }
    assertEquals("CD%2FDVD", WrittenName.encode("CD/DVD"));
  }

  @Test
  void namesOfOtherProgramsStay() {
    for (String part : List.of("100%", "%41", "%2f", "ice cream")) {
      assertEquals(part, WrittenName.decode(part));
    }
  }

  @Test
  void whatNoNameCanHoldIsRefused() {
    for (String word : List.of("", "  ", "a\nb", "a\0", "x".repeat(81))) {
      assertThrows(InputException.class, () -> WrittenName.encode(word));
    }
  }
}
