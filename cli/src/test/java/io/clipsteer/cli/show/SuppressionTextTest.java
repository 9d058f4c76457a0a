// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.show;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.stats.Paired;
import io.clipsteer.lab.study.Groups;
import io.clipsteer.lab.study.Study;
import io.clipsteer.lab.suppress.GroupScore;
import io.clipsteer.lab.suppress.SuppressionReport;
import io.clipsteer.lab.suppress.SuppressionSettings;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** The printed result of a suppression. */
final class SuppressionTextTest {
  @Test
  void namesWhatWasSkippedAndWhy() {
    Groups groups =
        new Groups(List.of("plain", "written"), new int[2], new boolean[] {false, true}, 0);
    var paired = List.of(new Paired(9, 0, 0, 1), new Paired(4, 0, 0, 6));
    GroupScore score = new GroupScore(paired, paired.getFirst());
    SuppressionReport report =
        new SuppressionReport(
            "model",
            new Study(groups, List.of(), List.of(), List.of(), false, "made up"),
            new SuppressionSettings(
                SuppressionSettings.Select.ENERGY,
                SuppressionSettings.Change.ABLATE,
                null,
                List.of(1),
                1,
                2,
                1,
                SuppressionSettings.Goal.WORST_GROUP,
                false),
            null,
            score,
            null,
            score,
            List.of(),
            List.of(),
            List.of(),
            null,
            Map.of("random features", "no edit"),
            null,
            List.of(),
            List.of(),
            1);
    String text = SuppressionText.of(report);
    assertTrue(text.startsWith("Nothing was selected: "), text);
    assertTrue(text.contains("random features                skipped: no edit\n"), text);
    assertTrue(
        text.contains("written                                10   40.0 %   40.0 %  1"), text);
    assertTrue(text.contains("worst group 40.0 % -> 40.0 %"), text);
    assertTrue(text.contains("of \"written\""), text);
    assertTrue(text.endsWith("restores 0 % of the accuracy that the writing costs\n"), text);
  }

  @Test
  void printsSmallProbabilities() {
    assertEquals("0.012", SuppressionText.p(0.0123));
    assertEquals("< 1e-300", SuppressionText.p(0));
  }
}
