// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.pretrain;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Engine;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.checkpoint.Tokenizer;
import io.clipsteer.engine.model.Hooks;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Gradients against finite differences, AdamW against a scalar oracle, files against the reader.
 */
final class ClipPretrainerTest {
  private static final Map<String, Long> WORDS = Map.of("red", 9L, "blue", 5L, "cat", 3L);
  private static final int BATCH = 6;

  @TempDir private Path folder;

  private ClipShape shape() {
    int vocabulary = Tokenizer.train(folder, WORDS, 10);
    return new ClipShape(16, 8, 16, 2, 2, 12, 2, 3, 10, vocabulary, 8);
  }

  private static float[] pixels(long seed) {
    Random random = new Random(seed);
    float[] pixels = new float[BATCH * 3 * 16 * 16];
    for (int i = 0; i < pixels.length; i++) pixels[i] = (float) random.nextGaussian();
    return pixels;
  }

  private long[][] ids() {
    try (Tokenizer tokenizer = Tokenizer.find(folder, 10)) {
      if (tokenizer == null) throw new AssertionError("no tokenizer");
      return tokenizer.encode(
          List.of(
              "red cat",
              "blue",
              "a cat",
              "red",
              "blue cat red",
              "cat blue",
              "cat red",
              "a blue",
              "cat",
              "a red",
              "red red cat",
              "blue cat"));
    }
  }

  private static Tensor input(float[] pixels) {
    return Tensor.of(pixels, BATCH, 3, 16, 16);
  }

  @Test
  void gradientsAreThoseOfFiniteDifferences() {
    try (var trainer = new ClipPretrainer(shape(), AdamW.CLIP, DType.F32, 3)) {
      long[][] ids = ids();
      float[] pixels = pixels(1);
      List<String> names = new ArrayList<>();
      trainer.parameters().names().forEach(names::add);
      int checked = 0;
      for (String name : names) {
        try (Scope scope = Scope.open()) {
          trainer.lossWithGradients(input(pixels), ids);
          float[] gradient = trainer.parameters().gradient(name);
          int at = strongest(gradient);
          if (Math.abs(gradient[at]) < 2e-3) continue; // fp32 differences would be noise
          double measured = difference(trainer, name, at, pixels, ids);
          assertEquals(gradient[at], measured, 0.03 * Math.abs(gradient[at]) + 3e-4, name);
          checked++;
        }
      }
      assertTrue(checked > 30, checked + " of " + names.size());
    }
  }

  private static int strongest(float[] gradient) {
    int best = 0;
    for (int i = 0; i < gradient.length; i++) {
      if (Math.abs(gradient[i]) > Math.abs(gradient[best])) best = i;
    }
    return best;
  }

  private static double difference(
      ClipPretrainer trainer, String name, int at, float[] pixels, long[][] ids) {
    double step = 4e-3;
    double[] losses = new double[2];
    for (int side = 0; side < 2; side++) {
      nudge(trainer, name, at, side == 0 ? step : -step);
      losses[side] = trainer.lossWithGradients(input(pixels), ids);
      nudge(trainer, name, at, side == 0 ? -step : step);
    }
    return (losses[0] - losses[1]) / (2 * step);
  }

  private static void nudge(ClipPretrainer trainer, String name, int at, double by) {
    try (Scope scope = Scope.open()) {
      Tensor weight = trainer.parameters().get(name);
      weight.reshape(weight.elements()).narrow(0, at, 1).addInPlace(by);
    }
  }

  @Test
  void sixPairsAreLearntByHeart() {
    try (var trainer = new ClipPretrainer(shape(), AdamW.CLIP, DType.F32, 3);
        Scope scope = Scope.open()) {
      Tensor pixels = input(pixels(1));
      long[][] ids = ids();
      double first = trainer.step(pixels, ids, 3e-3).loss();
      assertTrue(first > 1, "loss " + first);
      double last = first;
      for (int i = 0; i < 120; i++) last = trainer.step(pixels, ids, 3e-3).loss();
      assertTrue(last < 0.05, "loss " + last);
    }
  }

  @Test
  void updatesAreAdamW() {
    var builder = new Parameters.Builder(5);
    builder.gaussian("matrix", 1, true, 2, 2);
    builder.constant("bias", 0.5, 2);
    AdamW settings = new AdamW(0.9, 0.98, 1e-6, 0.1, 1);
    try (Parameters parameters = builder.build();
        Scope scope = Scope.open()) {
      double[] value = new double[6];
      double[] first = new double[6];
      double[] second = new double[6];
      float[] start = parameters.get("matrix").toFloats();
      for (int i = 0; i < 6; i++) value[i] = i < 4 ? start[i] : 0.5;
      Random random = new Random(2);
      for (int step = 1; step <= 5; step++) {
        double[] gradient = random.doubles(6, -1, 1).toArray();
        fill(parameters, gradient);
        parameters.update(settings, 0.01, step);
        double norm = Math.sqrt(Arrays.stream(gradient).map(g -> g * g).sum());
        for (int i = 0; i < 6; i++) {
          double g = gradient[i] / Math.max(1, norm);
          first[i] = 0.9 * first[i] + 0.1 * g;
          second[i] = 0.98 * second[i] + 0.02 * g * g;
          double mean = first[i] / (1 - Math.pow(0.9, step));
          double square = second[i] / (1 - Math.pow(0.98, step));
          if (i < 4) value[i] -= 0.01 * 0.1 * value[i];
          value[i] -= 0.01 * mean / (Math.sqrt(square) + 1e-6);
        }
      }
      float[] matrix = parameters.get("matrix").toFloats();
      float[] bias = parameters.get("bias").toFloats();
      for (int i = 0; i < 6; i++) assertEquals(value[i], i < 4 ? matrix[i] : bias[i - 4], 1e-5);
    }
  }

  /** Gradients of the given size, by a sum weighted with them. */
  private static void fill(Parameters parameters, double[] gradient) {
    parameters.zeroGradients();
    float[] weights = new float[6];
    for (int i = 0; i < 6; i++) weights[i] = (float) gradient[i];
    try (Scope scope = Scope.openRecording()) {
      Tensor all = Tensor.of(weights, 6);
      Tensor matrix = parameters.get("matrix").reshape(4).mul(all.narrow(0, 0, 4));
      Tensor bias = parameters.get("bias").mul(all.narrow(0, 4, 2));
      matrix.sum(DType.F32).add(bias.sum(DType.F32)).backward();
    }
  }

  @Test
  void theWrittenCheckpointGivesTheSameEmbeddings() {
    try (var trainer = new ClipPretrainer(shape(), AdamW.CLIP, DType.F32, 3);
        Scope scope = Scope.open()) {
      Tensor pixels = input(pixels(1));
      long[][] ids = ids();
      for (int i = 0; i < 5; i++) trainer.step(pixels, ids, 1e-3);
      trainer.export(folder, DType.F32);
      try (ClipModel model = ClipModel.load(folder)) {
        var text = model.text();
        if (text == null) throw new AssertionError("no text tower");
        assertArrayEquals(
            trainer.embedImages(pixels).toFloats(),
            model.vision().run(pixels, Hooks.NONE).embedding().toFloats(),
            2e-6f);
        assertArrayEquals(
            trainer.embedTexts(ids).toFloats(),
            text.run(ids, Hooks.NONE).embedding().toFloats(),
            2e-6f);
      }
    }
  }

  @Test
  void stoppedAndResumedIsTheSameAsGoingOn() {
    ClipShape shape = shape();
    Path state = folder.resolve("state.safetensors");
    double[] through = new double[6];
    try (var trainer = new ClipPretrainer(shape, AdamW.CLIP, DType.BF16, 3);
        Scope scope = Scope.open()) {
      for (int i = 0; i < 6; i++) {
        if (i == 3) trainer.save(state, Map.of("note", "half way"));
        through[i] = trainer.step(input(pixels(i)), ids(), 1e-3).loss();
      }
    }
    try (var trainer = new ClipPretrainer(shape, AdamW.CLIP, DType.BF16, 4);
        Scope scope = Scope.open()) {
      assertNotEquals(through[0], trainer.step(input(pixels(0)), ids(), 1e-3).loss());
      assertEquals("half way", trainer.resume(state).get("note"));
      assertEquals(3, trainer.steps());
      for (int i = 3; i < 6; i++) {
        assertEquals(through[i], trainer.step(input(pixels(i)), ids(), 1e-3).loss(), 0);
      }
    }
  }

  @Test
  void memoryStaysFlat() {
    try (var trainer = new ClipPretrainer(shape(), AdamW.CLIP, DType.BF16, 3)) {
      long[][] ids = ids();
      float[] pixels = pixels(1);
      long before = 0;
      for (int i = 0; i < 800; i++) {
        try (Scope scope = Scope.open()) {
          trainer.step(input(pixels), ids, 1e-4);
        }
        // Collections keep Java's heap small: its growth would be taken for ours.
        if (i % 50 == 0) System.gc();
        // By then the JVM has compiled what it will.
        if (i == 500) before = Engine.residentBytes();
      }
      System.gc();
      long grown = Engine.residentBytes() - before;
      assertTrue(grown < 48L << 20, "grew by " + grown);
    }
  }

  @Test
  void aForeignStateIsRefused() {
    ClipShape shape = shape();
    Path state = folder.resolve("state.safetensors");
    try (var trainer = new ClipPretrainer(shape, AdamW.CLIP, DType.F32, 3)) {
      trainer.save(state, Map.of());
    }
    var wider = new ClipShape(16, 8, 32, 2, 2, 12, 2, 3, 10, shape.vocabulary(), 8);
    try (var trainer = new ClipPretrainer(wider, AdamW.CLIP, DType.F32, 3)) {
      var e = assertThrows(InputException.class, () -> trainer.resume(state));
      assertTrue(String.valueOf(e.getMessage()).contains("no state of this model"));
    }
  }
}
