// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** The page's definitions are those of docs/metrics.md. */
final class DefinitionsTest {
  @Test
  void itemsAreJoinedBySection() {
    String text = "# M\n\n- **A**: one\n  two\n- **B**: three\n\nplain\n\n## `s`\n\n- **C**\n  d\n";
    assertEquals(
        Map.of("", List.of("**A**: one two", "**B**: three"), "s", List.of("**C** d")),
        Definitions.items(text));
  }

  @Test
  void everyWordIsDefined() throws IOException {
    Map<String, String> all = Definitions.all();
    String file = Files.readString(Path.of("../docs/metrics.md"));
    String plain = file.replace("**", "").replace("`", "").replaceAll("\\s+", " ");
    all.forEach(
        (key, text) -> {
          String body = text.replaceFirst("^(evaluate|index|steerability|suppress): ", "");
          for (String part : body.split(Definitions.SYMBOLS, -1))
            assertTrue(plain.contains(part), part);
          assertFalse(body.contains("**"), key);
        });
    assertTrue(String.valueOf(all.get("explained_variance")).contains("1 − Σ‖x−x̂‖²"));
    assertTrue(String.valueOf(all.get("monosemanticity")).contains("a_i is a unit's largest"));
    assertTrue(String.valueOf(all.get("power")).contains("max_v m(v)"));
  }
}
