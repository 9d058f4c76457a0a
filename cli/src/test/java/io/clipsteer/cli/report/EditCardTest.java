// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.folder.RunManifest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** An edit's card against files that are written by hand. */
final class EditCardTest {
  @TempDir private Path temp;
  private Path folder;

  @BeforeEach
  void store() throws IOException {
    folder = Files.createDirectories(temp.resolve("an_edit"));
    Files.writeString(
        folder.resolve("edit.json"),
        """
        {"protocol": 3, "model": "/m|n", "model_sha256": "abc", "sae": "/s", "sae_sha256": "def",
         "hook_point": "blocks.6.hook_resid_post", "tokens": "cls", "rule": "cap",
         "features": [{"id": 7, "value": 0.25}, {"id": 9, "value": 1, "strength": 1.5}]}
        """);
  }

  private void report(double highest) throws IOException {
    Files.writeString(
        folder.resolve("report.json"),
        """
        {"data": "waterbirds:/d", "baseline_wga": 0.25, "edited_wga": 0.5, "wga_low": 0.375,
         "wga_high": 0.625, "gain_low": 0.125, "gain_high": 0.375, "mcnemar_p": 0.25,
         "worst_group": "c | d", "harm": 25,
         "overall_before": 0.75, "overall_after": 0.5, "overall_p": 0.125,
         "groups": [{"group": "a | <script>x</script>\\n# b", "n": 8,
                     "before": {"value": 0.75, "low": 0.5, "high": 0.875},
                     "after": {"value": 0.5, "low": 0.25, "high": 0.75}, "p": 0.5}],
         "baselines": [{"name": "neurons", "wga": 0.75, "in_worst_group": 0.625, "p": 0.0625,
                        "overall": 0.875, "harm": 12.5}],
         "baselines_skipped": {"LEACE": "why"},
         "against": {"baseline": "neurons", "difference": -0.25, "low": -0.5, "high": %s,
                     "p": 0.03125, "overall": -0.375},
         "stability": {"samples": 20, "same_sae": 19, "same_edit": 3}, "skipped": 2}
        """
            .formatted(highest));
  }

  private String card() {
    return EditCard.read(folder).text(null);
  }

  @Test
  void everyFigureIsThatOfTheFile() throws IOException {
    report(-0.125);
    RunManifest.begin(
            List.of("suppress", "--data", "it's here"),
            Map.of("train", "table:/t", "data", "waterbirds:/d"),
            Map.of("suppress", 5L),
            Map.of("model", "0a1b"),
            Map.of("clipsteer", "9"),
            null)
        .writeTo(folder);
    String card = card();
    for (String line :
        List.of(
            "# Edit an\\_edit",
            "2 features at `blocks.6.hook_resid_post`, on cls tokens; rule cap. The rest of the"
                + " residual, with the SAE's error, stays as it is.",
            "| 7 | 0.250000 | 1.000 |",
            "| 9 | 1.00000 | 1.500 |",
            "- units ranked on `table:/t`",
            "- measured on `waterbirds:/d`",
            "- worst group (another may be the worst after the edit): 25.0 % before, 50.0 % after"
                + " (37.5 % to 62.5 %); gain +12.5 to +37.5 points",
            "- all images: 75.0 % before, 50.0 % after, p 0.13",
            "| neurons | 75.0 % | 62.5 % | 0.063 | 87.5 % | 12.5 |",
            "- LEACE skipped: why",
            "Accuracies. Harm is the accuracy lost, summed over the groups that lose; the edit's"
                + " own is 25.0.",
            "Worst group, the edit minus the best control (neurons): -25.0 points (-50.0 to -12.5),"
                + " p 0.031; over all images -37.5 points.",
            "- The change in the group that was worst before (c \\| d) is within chance: p 0.25.",
            "- The control \"neurons\" does better in the worst group: the edit has -25.0 points"
                + " (-50.0 to -12.5) against it.",
            "- 3 of 20 bootstrap samples of the validation images select this edit, 19 this SAE.",
            "- 2 images could not be read.",
            "| `suppress` | `model` | `0a1b` |",
            "clipsteer suppress --data 'it'\\''s here'")) {
      assertTrue(card.lines().anyMatch(line::equals), line + "\nnot in\n" + card);
    }
  }

  @Test
  void namesAreOnlyText() throws IOException {
    report(-0.125);
    String card = card();
    assertFalse(card.matches("(?s).*(?<!\\\\)<.*"), card);
    String row = card.lines().filter(l -> l.startsWith("| a ")).findFirst().orElseThrow();
    assertEquals(6, row.split("(?<!\\\\)\\|", -1).length - 1, row);
    assertFalse(card.lines().anyMatch("# b"::equals), card);
    assertTrue(card.contains("- model `/m\\|n`, weights `abc`"), card);
  }

  @Test
  void whatIsNotThereIsSaid() throws IOException {
    assertTrue(card().contains("Its effect was not measured"), card());
    assertTrue(card().contains("No manifest is there"), card());
    report(0.5);
    assertFalse(card().contains("does better"), "the interval holds 0");
    Files.delete(folder.resolve("edit.json"));
    Files.writeString(folder.resolve("report.json"), "{\"nothing_chosen\": \"no gain\"}");
    assertTrue(card().contains("No edit was selected: no gain."), card());
  }
}
