// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.reproduce;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.json.JsonMapper;

/** Numbers of results that were written by hand. */
final class FigureReaderTest {
  @TempDir private Path temp;

  private static Map<String, Figure> read(String command, String json, @Nullable Path out) {
    return FigureReader.read(command, JsonMapper.shared().readTree(json), out);
  }

  private static Figure of(Map<String, Figure> all, String name) {
    return Objects.requireNonNull(all.get(name), name + " of " + all.keySet());
  }

  @Test
  void evaluation() {
    Map<String, Figure> all =
        read(
            "evaluate",
            """
            {"saes": [
              {"layer": 0, "l0": 4.0, "l0_cls": 2.0, "features": 200, "alive_fraction": 0.25,
               "l0_grid": [[1,1,1,1],[1,3,3,1],[1,3,3,1],[1,1,1,1]],
               "legacy": {"explained_variance": 0.9, "ce_recovered": 0.99},
               "intervals": {"l0": {"value": 4.0, "low": 3.5, "high": 4.5, "n": 8}}},
              {"layer": 11, "l0": 9.0, "l0_cls": 5.0, "features": 200, "alive_fraction": 1,
               "legacy": {"explained_variance": null}, "intervals": {}}]}
            """,
            null);
    assertEquals(new Figure(4.0, 3.5, 4.5, 8), of(all, "0:l0"));
    assertEquals(new Figure(0.9, null, null, null), of(all, "0:ev"));
    assertFalse(all.containsKey("11:ev"), "null is no number");
    assertEquals(0.25, of(all, "0:alive").value());
    assertEquals(200, of(all, "0:alive").n());
    assertEquals(3, of(all, "0:centre").value(), 1e-12);
    assertEquals(2.5, of(all, "cls_growth").value(), 1e-12);
  }

  @Test
  void steerability() throws IOException {
    StringBuilder table =
        new StringBuilder(
            "unit,images,s,s_unbiased,low,high,s_semantic,power,promoted,suppressed\n");
    for (int i = 0; i < 100; i++) {
      double s = i / 100.0;
      String word = i % 2 == 0 ? "fox +0." + (10 + i % 80) : "ice water +0.05; fox +0.01";
      table.append("%d,4,%s,%s,0,1,0,%s,%s,\n".formatted(i, s, s, s / 2, word));
    }
    Files.writeString(temp.resolve("blocks.11.hook_resid_post.relu.features.150.csv"), table);
    Map<String, Figure> all =
        read(
            "steerability",
            """
            {"layers": [
              {"layer": 11, "unit": "features", "sae": "saes/blocks.11.hook_resid_post.relu",
               "n": 100, "coverage": 20, "share_above_tau": 0.3, "share_low": 0.2,
               "share_high": 0.5, "share_above_tau_of_s": 0.4},
              {"layer": 11, "unit": "neurons", "sae": "", "n": 10, "coverage": 4,
               "share_above_tau": 0.1, "share_low": 0, "share_high": 0.3,
               "share_above_tau_of_s": 0.2}]}
            """,
            temp);
    Figure share = of(all, "11:features.share");
    assertEquals(0.4, share.value());
    assertEquals(0.3, Objects.requireNonNull(share.low()), 1e-12);
    assertEquals(0.6, Objects.requireNonNull(share.high()), 1e-12);
    assertEquals(5, of(all, "11:coverage_ratio").value());
    assertEquals(38, of(all, "11:more").value());
    assertEquals(0.495, of(all, "11:features.mean_s").value(), 1e-12);
    assertEquals(0.89, of(all, "11:features.p90_s").value(), 1e-9);
    assertTrue(Objects.requireNonNull(of(all, "11:features.p90_s").low()) < 0.89);
    assertNull(of(all, "11:features.p99_s").high(), "beyond the sample's end");
    assertEquals(0.49, of(all, "11:features.above_0.5").value(), 1e-12);
    assertEquals(0.0, of(all, "11:features.power_above_0.5").value());
    assertEquals(0.05, of(all, "11:word.ice water").value());
    assertEquals(0.88, of(all, "11:word.fox").value(), 1e-9);
  }

  @Test
  void suppression() {
    Map<String, Figure> all =
        read(
            "suppress",
            """
            {"baseline_wga": 0.5, "edited_wga": 0.6, "gain_low": -0.1, "gain_high": 0.3,
             "layer": 7, "power": {"n": 20},
             "groups": [
               {"before": {"value": 0.5, "low": 0.3, "high": 0.7, "n": 20},
                "after": {"value": 0.8, "low": 0.6, "high": 0.9, "n": 20}},
               {"before": {"value": 0.9, "low": 0.7, "high": 0.97, "n": 20},
                "after": {"value": 0.6, "low": 0.4, "high": 0.78, "n": 20}}],
             "defence": {"attacked": {"value": 0.2}, "defended": {"value": 0.4}},
             "combined": [
               {"name": "no defence", "attacked": {"value": 0.2, "low": 0.1, "high": 0.3, "n": 9}},
               {"name": "Defense-Prefix", "attacked": {"value": 0.6, "low": 0.5, "high": 0.7}},
               {"name": "edit", "attacked": {"value": 0.4}},
               {"name": "Defense-Prefix and edit", "attacked": {"value": 0.7}}]}
            """,
            null);
    assertEquals(new Figure(0.5, 0.3, 0.7, 20), of(all, "wga_before"));
    assertEquals(new Figure(0.6, 0.4, 0.78, 20), of(all, "wga_after"));
    assertEquals(0.1, of(all, "gain").value(), 1e-12);
    assertEquals(-0.1, of(all, "gain").low());
    assertEquals(new Figure(0.6, 0.5, 0.7, null), of(all, "prefix"));
    assertEquals(0.7, of(all, "both").value());
    assertEquals(0.1, of(all, "both_minus_best").value(), 1e-12);
    assertEquals(7, of(all, "layer").value());
  }

  @Test
  void others() {
    Map<String, Figure> image =
        read(
            "experiment",
            """
            {"answers": [{"name": "073.Blue_Jay", "before": 0.5, "after": 0.1}]}
            """,
            null);
    assertEquals(0.1, of(image, "after:Blue_Jay").value());
    Map<String, Figure> pixels =
        read(
            "experiment",
            """
            {"moved": [{"from": "sand", "to": "water", "pixels": 30},
                       {"from": "sky", "to": "sand", "pixels": 10}]}
            """,
            null);
    assertEquals(0.75, of(pixels, "changed").value());
    Map<String, Figure> classes =
        read(
            "study selectivity",
            """
            {"classes": [
              {"target_change": {"value": 0.8, "low": 0.7, "high": 0.9}, "other_change": 0.1,
               "controls": {"random_directions": {"difference": 0.02}}},
              {"target_change": {"value": 0.6, "low": 0.5, "high": 0.7}, "other_change": 0.3,
               "controls": {}}]}
            """,
            null);
    assertEquals(0.7, of(classes, "mean_target_change").value(), 1e-12);
    assertEquals(0.8, of(classes, "target_change").value());
    assertEquals(0.02, of(classes, "mean_random_difference").value());
    assertNull(of(classes, "mean_random_difference").low(), "of one class");
    Map<String, Figure> cost =
        read(
            "classify",
            """
            {"judged": 4, "edited": {"top1_lost": {"value": 0.25, "low": -0.5, "high": 1.0, "n": 4}}}
            """,
            null);
    assertEquals(new Figure(0.25, -0.5, 1.0, 4), of(cost, "top1_lost"));
    assertTrue(read("report", "{}", null).isEmpty());
  }
}
