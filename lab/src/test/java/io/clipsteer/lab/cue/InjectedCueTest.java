// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.cue;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.image.RgbImage;
import io.clipsteer.data.json.JsonFile;
import io.clipsteer.data.stats.Paired;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import tools.jackson.core.JacksonException;

/** The parts of the planted-cue study, each against something computed in another way. */
final class InjectedCueTest {
  @Test
  void cueCoversWhatItSaysAndNothingElse() {
    byte[] grey = new byte[3 * 40 * 24];
    java.util.Arrays.fill(grey, (byte) 100);
    RgbImage image = new RgbImage(40, 24, grey);
    RgbImage cued = new Cue(0.25, 0.5).on(image, new SplittableRandom(1));
    int changed = 0;
    for (int i = 0; i < 40 * 24; i++) {
      int red = cued.rgb()[3 * i] & 255;
      int green = cued.rgb()[3 * i + 1] & 255;
      if (red != 100) {
        changed++;
        assertEquals(165, red); // half of 100 and 230
        assertEquals(60, green); // half of 100 and 20
      }
    }
    assertEquals(6 * 6, changed, "a quarter of 24, squared");
    assertEquals(100, grey[0], "the image itself is as it was");
  }

  /** At the minimum, the gradient is 0: checked on the definition itself, on noisy classes. */
  @Test
  void probeIsTheMinimum() {
    Random random = new Random(2);
    int n = 300;
    int width = 5;
    float[] rows = new float[n * width];
    boolean[] positive = new boolean[n];
    for (int i = 0; i < n; i++) {
      positive[i] = random.nextBoolean();
      double square = 0;
      for (int j = 0; j < width; j++) {
        rows[i * width + j] = (float) (random.nextGaussian() + (positive[i] && j == 1 ? 1 : 0));
        square += rows[i * width + j] * rows[i * width + j];
      }
      for (int j = 0; j < width; j++) rows[i * width + j] /= (float) Math.sqrt(square);
    }
    double[] w = LinearProbe.fit(rows, positive, width);
    for (int j = 0; j < width; j++) {
      double up = loss(rows, positive, w, j, 1e-4);
      double down = loss(rows, positive, w, j, -1e-4);
      assertEquals(0, (up - down) / 2e-4, 1e-6, "slope along " + j);
    }
    assertTrue(w[1] > 1, "the coordinate that tells the classes apart");
  }

  private static double loss(float[] rows, boolean[] positive, double[] w, int along, double by) {
    double sum = 0;
    for (int i = 0; i < positive.length; i++) {
      double score = 0;
      for (int j = 0; j < w.length; j++) {
        score += (w[j] + (j == along ? by : 0)) * rows[i * w.length + j];
      }
      sum += Math.log1p(Math.exp(positive[i] ? -score : score));
    }
    double square = 0;
    for (int j = 0; j < w.length; j++) {
      double x = w[j] + (j == along ? by : 0);
      square += x * x;
    }
    return sum / positive.length + 0.5e-5 * square;
  }

  @Test
  void trendFollowsTheBestLayer() {
    List<CueResult> studies = new ArrayList<>();
    for (int repeat = 0; repeat < 4; repeat++) {
      for (int k = 0; k < 4; k++) studies.add(study(Math.pow(2, -k), 7 - k));
    }
    CueResult.Trend trend = CueResult.trend(studies, 1);
    assertNotNull(trend);
    assertEquals(1, trend.slope(), 1e-9);
    assertEquals(1, trend.low(), 1e-9);
    assertEquals(1, trend.high(), 1e-9);
    assertEquals(16, trend.studies());
    assertNull(CueResult.trend(studies.subList(0, 1), 1), "one size has no trend");
  }

  @Test
  void onlyItsOwnResultIsResumed() throws Exception {
    CueResult whole = study(0.25, 3);
    String json = JsonFile.line(whole);
    assertEquals(whole, JsonFile.MAPPER.readValue(json, CueResult.class));
    Cue cue = new Cue(0.25, 0.5);
    assertTrue(whole.isOf(cue, 1));
    assertFalse(whole.isOf(cue, 2));
    assertFalse(whole.isOf(new Cue(0.5, 0.5), 1));
    assertThrows(JacksonException.class, () -> JsonFile.MAPPER.readValue("{}", CueResult.class));
    String without = json.replace("\"baselines\":{}", "\"baselines\":null");
    assertFalse(JsonFile.MAPPER.readValue(without, CueResult.class).isOf(cue, 1));
    String wrong = json.replace("\"reliance_before\":0.4", "\"reliance_before\":7.5");
    assertFalse(JsonFile.MAPPER.readValue(wrong, CueResult.class).isOf(cue, 1));
  }

  @Test
  void sharesOfYesAreCounted() {
    // Right of 10 images each: no 9 and 5, yes 4 and 8; so yes is said to 1, 5, 4 and 8.
    List<Paired> groups = new ArrayList<>();
    for (int right : new int[] {9, 5, 4, 8}) groups.add(new Paired(right, 0, 0, 10 - right));
    assertEquals(18 / 40.0, CueResult.yes(groups, Paired::before), 1e-12);
    assertEquals(
        5 / 20.0, CueResult.yes(List.of(groups.get(0), groups.get(2)), Paired::before), 1e-12);
  }

  private static CueResult study(double size, int best) {
    return new CueResult(size, 1, 0.4, 0.1, 0.75, 0.9, 0.9, 0.5, 0.4, 0.5, 3, 2, best, Map.of());
  }
}
