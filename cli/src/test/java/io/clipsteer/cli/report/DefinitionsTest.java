// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** The page's definitions are those of docs/metrics.md. */
final class DefinitionsTest {
  @Test
  void aTermHasItsSentencesAndFormulas() {
    String text =
        """
        # M

        - **A** (`a`): one `x/y`
          two. `lab.run.A`.
        - **B**, **`b`**: three (`data.stats.B`). **`c`**: as above. `c` four; tests compare it.

        plain

        ## `s`

        - **`d` of e**
          f.
        """;
    assertEquals(
        Map.of(
            "", Map.of("A", "one x/y two.", "B", "three.", "b", "three.", "c", "c four."),
            "s", Map.of("d of e", "f.")),
        Definitions.texts(text));
  }

  @Test
  void everyWordIsDefined() throws IOException {
    Definitions all = Definitions.read();
    String plain = plain(Files.readString(Path.of("../docs/metrics.md")));
    for (Definitions.Term term : all.terms()) {
      assertTrue(term.text().length() > 5, term.toString());
      for (String sentence : term.text().split("(?<=[.;]) ")) {
        String known = plain(sentence.replaceFirst("\\.$", ""));
        assertTrue(plain.contains(known), term.key() + ": " + sentence);
      }
      String scope = all.scopes().getOrDefault(term.section(), "-");
      assertFalse(term.text().contains(scope), "the scope is said once: " + term.key());
      for (String internal : new String[] {"**", "`", "lab.", "data.stats", "tests compare"}) {
        assertFalse((term.text() + scope).contains(internal), term.key() + " has " + internal);
      }
    }
    Map<String, String> texts =
        all.terms().stream().collect(Collectors.toMap(t -> t.key(), t -> t.text()));
    assertTrue(String.valueOf(texts.get("explained_variance")).startsWith("1 − Σ‖x−x̂‖²"));
    assertTrue(String.valueOf(all.scopes().get("index")).contains("a_i is a unit's largest"));
    assertTrue(String.valueOf(texts.get("power")).contains("max_v m(v)"));
  }

  /** Without marks, blanks, and the classes that compute a number. */
  private static String plain(String text) {
    return text.replaceAll(" ?\\(`[a-z]+\\.[A-Za-z.]+`\\)", "")
        .replaceAll("[*`]|\\s+", " ")
        .replaceAll(" +", "");
  }
}
