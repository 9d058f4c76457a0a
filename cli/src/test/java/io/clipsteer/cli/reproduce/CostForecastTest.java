// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.reproduce;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.engine.checkpoint.ClipModel;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Costs by hand: 10 operations a second, 100 tokens a second, on one core. */
final class CostForecastTest {
  private static CostForecast.StageCost cost(int saes, String line) {
    Path model = Path.of("../engine/src/test/resources/models/hf-clip-vision-only");
    try (ClipModel clip = ClipModel.load(model)) {
      var rates = new MeasuredRates(2, 10, 100, 400, 1);
      // 17 tokens of width 24; 30 operations an image are 3 seconds, decoding 2.
      var forecast = new CostForecast(rates, clip.vision().config(), 30, 150);
      return forecast.of(List.of(line.split(" ")), 1000, saes);
    }
  }

  @Test
  void training() {
    // 1,700 tokens are 100 images of 5 seconds, then 17 seconds an SAE.
    var cost = cost(2, "train --sae relu:l1=1 --train-tokens 1700 --expansion 64");
    assertEquals((500 + 2 * 17) / 3600.0, cost.hours(), 1e-9);
    // Two SAEs on two nodes of 32 cores.
    assertEquals(cost.hours() / 64, cost.clusterHours(), 1e-12);
    assertEquals(2 * 2 * 24 * 24 * 64 * 4 * 4, cost.disk(), 1e-6);
    // A TopK SAE of the class token, from a store: no image is read.
    var stored =
        cost(1, "train --sae topk:k=2 --tokens-selection cls --store s --train-tokens 800");
    assertEquals(2 / 3600.0, stored.hours(), 1e-9);
  }

  @Test
  void others() {
    assertEquals(100 * 5 / 3600.0, cost(1, "classify --limit 100").hours(), 1e-9);
    var harvest = cost(2, "harvest --layers 0,1 --tokens-selection cls --limit 10");
    assertEquals(10 * 24 * 2 * 2, harvest.disk(), 1e-6);
    assertEquals(harvest.hours() / 3200, harvest.clusterHours(), 1e-12);
    double last = cost(1, "steerability --limit 192 --sample 2457").hours();
    assertEquals(5 * last, cost(1, "steerability --limit 192 --sample 12285").hours(), 1e-9);
    double all = cost(2, "steerability --limit 192 --sample 2457").hours();
    assertEquals(
        2457.0 * 192 * 15 / 10 / 3600, all - last, 1e-6, "half of the tower of two layers");
    assertTrue(
        cost(1, "study selectivity").hours() > cost(1, "study selectivity --class a").hours());
    assertEquals(0, cost(1, "report --run r").hours());
  }
}
