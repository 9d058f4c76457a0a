// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.probe;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.Progress;
import io.clipsteer.lab.probe.LabelledFeatures.LabelledRows;
import java.io.IOException;
import java.io.InputStream;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Heads against PyTorch's AdamW on whole batches, and the choice among them. */
final class AdamWHeadsTest {
  @Test
  void equalsPyTorch() throws IOException {
    JsonNode golden;
    try (InputStream file = AdamWHeadsTest.class.getResourceAsStream("adamw.json")) {
      golden = JsonMapper.shared().readTree(file);
    }
    int[] y = golden.get("y").valueStream().mapToInt(JsonNode::asInt).toArray();
    LabelledRows rows = new LabelledRows(floats(golden.get("x")), y);
    for (JsonNode one : golden.get("fits")) {
      int epochs = one.get("epochs").asInt();
      double rate = one.get("rate").asDouble();
      double decay = one.get("decay").asDouble();
      // Beside a head that learns nothing, so that the other is the second of them.
      var settings = new AdamWHeads(epochs, y.length, List.of(1e-9, rate), List.of(decay));
      JsonNode weight = one.get("importance");
      double[] importance =
          weight.isNull() ? null : weight.valueStream().mapToDouble(JsonNode::asDouble).toArray();
      var fitted = settings.fit(rows, rows, 3, importance, 1, Progress.SILENT);
      assertArrayEquals(floats(one.get("weight")), fitted.weights(), 2e-5f);
      assertArrayEquals(floats(one.get("bias")), fitted.bias(), 2e-5f);
      assertEquals(one.get("loss").asDouble(), fitted.best().loss(), 1e-5);
      assertEquals(rate, fitted.best().rate());
      assertEquals(epochs, fitted.best().epoch());
      assertEquals(Math.log(3), fitted.heads().getFirst().loss(), 1e-5);
    }
  }

  @Test
  void stopsWhereValidationTurns() {
    // Labels without a cause: after some epochs each learns its own rows by heart.
    var random = new SplittableRandom(2);
    LabelledRows own = noise(random, 40);
    LabelledRows held = noise(random, 200);
    var settings = new AdamWHeads(400, 8, List.of(0.05, 20.0), List.of(1e-3));
    var fitted = settings.fit(own, held, 2, null, 1, Progress.SILENT);
    assertTrue(fitted.best().epoch() < 20, fitted.best().toString());
    assertEquals(0.05, fitted.best().rate());
    assertTrue(fitted.heads().get(1).loss() > fitted.best().loss());
  }

  private static LabelledRows noise(SplittableRandom random, int n) {
    float[] x = new float[n * 30];
    for (int i = 0; i < x.length; i++) x[i] = (float) random.nextGaussian();
    return new LabelledRows(x, IntStream.range(0, n).map(i -> random.nextInt(2)).toArray());
  }

  private static float[] floats(JsonNode node) {
    double[] all =
        node.valueStream()
            .flatMapToDouble(
                row ->
                    row.isArray()
                        ? row.valueStream().mapToDouble(JsonNode::asDouble)
                        : DoubleStream.of(row.asDouble()))
            .toArray();
    float[] narrow = new float[all.length];
    for (int i = 0; i < narrow.length; i++) narrow[i] = (float) all[i];
    return narrow;
  }
}
