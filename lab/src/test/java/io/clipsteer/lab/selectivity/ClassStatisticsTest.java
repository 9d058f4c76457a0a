// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.selectivity;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.clipsteer.data.json.JsonFile;
import io.clipsteer.lab.probe.ImageInterval;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** F1 and AUROC by counting pairs and thresholds; changes by hand. */
final class ClassStatisticsTest {
  private static final int CLASSES = 4;

  /**
   * Six tokens an image, the first of them no patch; activations in few steps, so that many tie.
   */
  @Test
  void areThoseOfPlainCounts() {
    for (int each : new int[] {5, 1}) {
      Random random = new Random(each);
      Items items = new Items(30, each, 6, 1);
      int[] labels = new int[items.count()];
      for (int i = 0; i < labels.length; i++) labels[i] = random.nextInt(CLASSES + 1) - 1;
      int features = 9;
      double[][] strongest = new double[features][items.count()];
      int[] starts = new int[features + 1];
      List<Integer> tokens = new ArrayList<>();
      List<Float> values = new ArrayList<>();
      for (int f = 0; f < features; f++) {
        for (int t = 0; t < 180; t++) {
          if (random.nextInt(features) > f) continue;
          float value = (1 + random.nextInt(5)) / 4f;
          tokens.add(t);
          values.add(value);
          int item = items.of(t);
          if (item >= 0) strongest[f][item] = Math.max(strongest[f][item], value);
        }
        starts[f + 1] = tokens.size();
      }
      float[] active = new float[values.size()];
      for (int e = 0; e < active.length; e++) active[e] = values.get(e);
      var codes =
          new ItemCodes(starts, tokens.stream().mapToInt(t -> t).toArray(), active, new float[180]);
      ClassStatistics found = ClassStatistics.of(codes, items, labels, CLASSES);
      for (int f = 0; f < features; f++) {
        for (int c = 0; c < CLASSES; c++) {
          assertEquals(f1(strongest[f], labels, c), found.f1()[f][c], 1e-6);
          assertEquals(auroc(strongest[f], labels, c), found.auroc()[f][c], 1e-6);
        }
      }
      float[][] f1 = found.f1();
      int best = ClassStatistics.best(f1, 2, 1)[0];
      for (float[] one : f1) assertEquals(f1[best][2], Math.max(f1[best][2], one[2]));
    }
  }

  private static double f1(double[] values, int[] labels, int label) {
    double best = 0;
    for (double threshold : values) {
      if (threshold <= 0) continue;
      int right = 0;
      int taken = 0;
      int all = 0;
      for (int i = 0; i < values.length; i++) {
        if (labels[i] < 0) continue;
        boolean above = values[i] >= threshold;
        if (above) taken++;
        if (labels[i] == label) all++;
        if (above && labels[i] == label) right++;
      }
      best = Math.max(best, 2.0 * right / (taken + all));
    }
    return best;
  }

  private static double auroc(double[] values, int[] labels, int label) {
    double above = 0;
    int pairs = 0;
    for (int i = 0; i < values.length; i++) {
      if (labels[i] != label) continue;
      for (int j = 0; j < values.length; j++) {
        if (labels[j] < 0 || labels[j] == label) continue;
        pairs++;
        above += values[i] > values[j] ? 1 : values[i] == values[j] ? 0.5 : 0;
      }
    }
    return above / pairs;
  }

  /** A finished class is read back as it was, whatever has no value. */
  @Test
  void aClassIsReadAsItWasWritten(@TempDir Path temp) throws IOException {
    var change = new ImageInterval(0.5, 0.25, 0.75);
    var effect =
        new ClassEffect(
            "sand",
            List.of(3, 5),
            0.5,
            0.75,
            null,
            -2,
            -8.5,
            17,
            4,
            change,
            0.125,
            null,
            0.125,
            change,
            0.5,
            0.25,
            List.of(new ClassEffect.Destination("water", 0.5)),
            Map.of(
                ClassEffect.ControlKind.UNTRAINED,
                new ClassEffect.ControlEffect(1, 0.5, 0.25, 0.25, 0.25)),
            1,
            0.0625,
            null,
            new ClassEffect.MapExample("a.png", "maps/0_0.0.png", Map.of("sand", "#800000")));
    Path file = Files.writeString(temp.resolve("0.json"), JsonFile.line(effect));
    assertEquals(effect, JsonFile.read(file, ClassEffect.class, "none"));
  }

  @Test
  void changesAreCountedByImage() {
    Items items = new Items(2, 4, 5, 1);
    int[] before = {1, 1, 0, 2, 1, 0, 0, 2};
    int[] after = {0, 2, 0, 1, 1, 2, 0, 2};
    boolean[] active = {true, true, true, false, true, true, false, false};
    ItemChange change = ItemChange.of(items, before, after, active, 1);
    assertArrayEquals(new int[] {2, 1}, change.target());
    assertArrayEquals(new int[] {2, 0}, change.left());
    assertArrayEquals(new int[] {1, 1}, change.on());
    assertArrayEquals(new int[] {0, 1}, change.onChanged());
    assertArrayEquals(new int[] {1, 2}, change.off());
    assertArrayEquals(new int[] {1, 0}, change.offChanged());
    int[] once = {1, 1};
    assertEquals(2 / 3.0, change.target(once), 1e-12);
    assertEquals(2 / 5.0, change.other(once), 1e-12);
    assertEquals(2 / 3.0 - 2 / 5.0, change.difference(once), 1e-12);
    int[] second = {0, 2};
    assertEquals(0, change.target(second), 1e-12);
    assertEquals(1 / 3.0, change.other(second), 1e-12);
  }
}
