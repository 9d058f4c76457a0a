// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.run;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.Progress;
import io.clipsteer.data.SharedData;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.imageset.ImageSet;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.TokenSelection;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** The forms of explained variance against plain loops over all tokens, sorted where needed. */
final class VarianceTallyTest {
  private static final int WIDTH = 50;
  private static final int TOKENS = 4000;
  private static final int MASSIVE = 7;

  /** Bins of the quantiles are this wide. */
  private static final double BIN = 1.0 / 256;

  /** Tokens, their reconstructions, and which of them are massive. */
  private record Known(float[][] x, float[][] y, boolean[] massive) {}

  /** Every fiftieth token is 30 times as long as the others, nearly all of it in one coordinate. */
  private static Known known() {
    SplittableRandom random = new SplittableRandom(3);
    Known known =
        new Known(new float[TOKENS][WIDTH], new float[TOKENS][WIDTH], new boolean[TOKENS]);
    for (int t = 0; t < TOKENS; t++) {
      known.massive[t] = t % 50 == 7;
      double error = 0.2 + 0.6 * random.nextDouble();
      for (int j = 0; j < WIDTH; j++) {
        known.x[t][j] = (float) (3 + random.nextGaussian());
        if (known.massive[t] && j == MASSIVE) known.x[t][j] += 900;
        known.y[t][j] = known.x[t][j] + (float) (error * random.nextGaussian());
      }
    }
    return known;
  }

  private static double[] mean(float[][] rows, boolean[] skipped) {
    double[] mean = new double[rows[0].length];
    int count = 0;
    for (int t = 0; t < rows.length; t++) {
      if (skipped[t]) continue;
      count++;
      for (int j = 0; j < mean.length; j++) mean[j] += rows[t][j];
    }
    for (int j = 0; j < mean.length; j++) mean[j] /= count;
    return mean;
  }

  private static double distance(float[] x, double[] y, int skipped) {
    double sum = 0;
    for (int j = 0; j < x.length; j++) if (j != skipped) sum += (x[j] - y[j]) * (x[j] - y[j]);
    return sum;
  }

  private static double[] wide(float[] row) {
    double[] values = new double[row.length];
    for (int j = 0; j < row.length; j++) values[j] = row[j];
    return values;
  }

  private static double value(@Nullable Double number) {
    assertNotNull(number);
    return number;
  }

  private static VarianceTally tally(Known known, int batch) {
    TokenStatistics statistics = new TokenStatistics(WIDTH);
    for (int t = 0; t < TOKENS; t += batch) statistics.add(flat(known.x, t, batch));
    VarianceTally tally = new VarianceTally(statistics);
    for (int t = 0; t < TOKENS; t += batch) {
      tally.add(flat(known.x, t, batch), flat(known.y, t, batch));
    }
    return tally;
  }

  private static float[] flat(float[][] rows, int from, int count) {
    float[] flat = new float[count * WIDTH];
    for (int t = 0; t < count; t++) System.arraycopy(rows[from + t], 0, flat, t * WIDTH, WIDTH);
    return flat;
  }

  @Test
  void everyFormIsThatOfTheDefinition() {
    Known known = known();
    double[] mean = mean(known.x, new boolean[TOKENS]);
    double[] ordinaryMean = mean(known.x, known.massive);
    double[] spreads = new double[TOKENS];
    double[] each = new double[TOKENS];
    double error = 0;
    double massiveSpread = 0;
    double ordinaryError = 0;
    double ordinarySpread = 0;
    for (int t = 0; t < TOKENS; t++) {
      spreads[t] = distance(known.x[t], mean, -1);
      double gap = distance(known.x[t], wide(known.y[t]), -1);
      error += gap;
      each[t] = 1 - gap / spreads[t];
      if (known.massive[t]) {
        massiveSpread += spreads[t];
      } else {
        ordinaryError += distance(known.x[t], wide(known.y[t]), MASSIVE);
        ordinarySpread += distance(known.x[t], ordinaryMean, MASSIVE);
      }
    }
    double spread = Arrays.stream(spreads).sum();
    double average = Arrays.stream(each).average().orElseThrow();
    Arrays.sort(each);
    Arrays.sort(spreads);
    double top = Arrays.stream(spreads, TOKENS - TOKENS / 20, TOKENS).sum();

    VarianceTally tally = tally(known, 100);
    VarianceForms forms = tally.forms();
    assertNotNull(forms);
    assertEquals(1 - error / spread, tally.explainedVariance(), 1e-9);
    assertEquals(average, value(forms.tokenMean()), 1e-9);
    assertEquals(each[TOKENS / 2], value(forms.tokenMedian()), BIN * (1 - each[TOKENS / 2]));
    assertEquals(1 - ordinaryError / ordinarySpread, value(forms.ordinary()), 1e-9);
    assertEquals(0.02, forms.massiveTokens(), 1e-12);
    assertEquals(List.of(MASSIVE), forms.massiveCoordinates());
    assertEquals(massiveSpread / spread, value(forms.massiveShare()), 1e-9);
    assertEquals(top / spread, value(forms.topShare()), BIN * (1 - massiveSpread / spread));
    assertTrue(tally.explainedVariance() > 0.99 && value(forms.ordinary()) < 0.8, "no difference");
    String warning = forms.warning("layer 8");
    assertNotNull(warning);
    assertTrue(warning.startsWith("5 % of the tokens at layer 8 have 97.8 %"), warning);
  }

  @Test
  void withoutMassiveTokensTheOrdinaryFormIsTheRatioOfSums() {
    Known known = known();
    for (int t = 0; t < TOKENS; t++) if (known.massive[t]) known.x[t][MASSIVE] -= 900;
    VarianceTally tally = tally(known, 1000);
    VarianceForms forms = tally.forms();
    assertNotNull(forms);
    assertEquals(0, forms.massiveTokens());
    assertEquals(List.of(), forms.massiveCoordinates());
    assertEquals(tally.explainedVariance(), value(forms.ordinary()), 1e-9);
    assertNull(forms.warning("layer 8"));
  }

  /** Layer 8 of a real ViT has massive tokens, all in one coordinate; layer 4 has none. */
  @Test
  void massiveTokensOfARealModel() {
    Path folder = SharedData.require("vit-tiny-clip");
    ImageSet photos = ImageSet.open(SharedData.require("photos"));
    try (ClipModel clip = ClipModel.load(folder)) {
      VarianceForms late = zeros(clip, photos, 8);
      assertTrue(late.massiveTokens() > 0.005 && late.massiveTokens() < 0.05, late::toString);
      assertTrue(value(late.massiveShare()) > 0.9, late::toString);
      assertEquals(List.of(41), late.massiveCoordinates());
      assertNotNull(late.warning("layer 8"));
      VarianceForms early = zeros(clip, photos, 4);
      assertEquals(0, early.massiveTokens());
      assertNull(early.warning("layer 4"));
    }
  }

  /** Of a reconstruction that is 0 everywhere. */
  private static VarianceForms zeros(ClipModel clip, ImageSet photos, int layer) {
    Images images =
        new Images(photos, clip.preprocessing(), ImageLoader.Options.of(8).withLimit(16));
    TowerWalk walk = TowerWalk.past(clip.vision(), List.of(HookPoint.residPost(layer)));
    List<float[]> rows = new ArrayList<>();
    images.forEach(
        "reading",
        0,
        Progress.SILENT,
        (batch, pixels) ->
            walk.walk(
                pixels, paused -> rows.add(walk.selected(TokenSelection.ALL, paused).toFloats())));
    TokenStatistics statistics = new TokenStatistics(clip.vision().config().width());
    rows.forEach(statistics::add);
    VarianceTally tally = new VarianceTally(statistics);
    for (float[] part : rows) tally.add(part, new float[part.length]);
    VarianceForms forms = tally.forms();
    assertNotNull(forms);
    return forms;
  }

  @Test
  void tokensThatAreAllTheSameHaveNoForm() {
    float[] x = new float[3 * WIDTH];
    Arrays.fill(x, 7.3f);
    TokenStatistics statistics = new TokenStatistics(WIDTH);
    statistics.add(x);
    VarianceTally tally = new VarianceTally(statistics);
    tally.add(x, new float[3 * WIDTH]);
    VarianceForms forms = tally.forms();
    assertNotNull(forms);
    assertTrue(Double.isNaN(tally.explainedVariance()));
    assertNull(forms.ordinary());
    assertEquals(List.of(), forms.massiveCoordinates());
  }
}
