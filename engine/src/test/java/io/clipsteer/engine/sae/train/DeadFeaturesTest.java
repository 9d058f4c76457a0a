// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.Sae;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Where SAEs begin: the middle of their input, its scale, and a new start for dead features. */
class DeadFeaturesTest {
  private static final int D = 12;
  private static final int F = 64;
  private static final int N = 50;

  @TempDir private Path temp;

  private static float[] gaussian(long seed, int count, double scale, double shift) {
    Random random = new Random(seed);
    float[] values = new float[count];
    for (int i = 0; i < count; i++) values[i] = (float) (shift + scale * random.nextGaussian());
    return values;
  }

  private static SaeTrainer.Config config(
      String variant, InputNormalisation.Kind kind, int resampleSteps, SaeTrainer.Centre centre) {
    SaeVariant parsed = SaeVariant.parse(variant);
    return new SaeTrainer.Config(
        parsed, D, F, kind, DType.F32, 0, 60, resampleSteps, centre, 5, Device.CPU);
  }

  /** Training on standardised input by hand, and undoing it by hand, gives the same SAE. */
  @ParameterizedTest
  @ValueSource(strings = {"topk:k=5", "relu:l1=0.01", "jumprelu:l0=0.01", "batchtopk:k=5"})
  void aStandardisedInputEndsUpInTheWeights(String variant) {
    try (Scope scope = Scope.open()) {
      Tensor x = Tensor.of(gaussian(3, N * D, 7, 20), N, D);
      var fitted = InputNormalisation.Standardise.of(x);
      Tensor z = fitted.apply(x).z().contiguous();
      assertEquals(1, z.mul(z).sum(DType.F64).item() / z.elements(), 1e-5);
      var mean = SaeTrainer.Centre.MEAN;
      try (SaeTrainer own =
              new SaeTrainer(config(variant, InputNormalisation.Kind.STANDARDISE, 0, mean), x);
          SaeTrainer other =
              new SaeTrainer(config(variant, InputNormalisation.Kind.NONE, 0, mean), z)) {
        for (int step = 0; step < 5; step++) {
          assertEquals(other.step(z, 1e-2).loss(), own.step(x, 1e-2).loss(), 1e-6);
        }
        try (Sae folded = own.snapshot();
            Sae plain = other.snapshot()) {
          float[] expected = fitted.apply(x).undo(plain.decode(plain.encode(z))).toFloats();
          float[] actual = folded.decode(folded.encode(x)).toFloats();
          assertArrayEquals(expected, actual, 2e-3f);
          assertArrayEquals(plain.decoder().toFloats(), folded.decoder().toFloats());
        }
      }
    }
  }

  @Test
  void theMedianIsNotMovedByAFewFarPoints() {
    try (Scope scope = Scope.open()) {
      float[] rows = new float[5 * D];
      for (int j = 0; j < D; j++) {
        rows[j] = 1;
        rows[D + j] = 1;
        rows[2 * D + j] = 1;
        rows[3 * D + j] = 1000;
        rows[4 * D + j] = -500;
      }
      Tensor x = Tensor.of(rows, 5, D);
      for (var centre : SaeTrainer.Centre.values()) {
        try (SaeTrainer trainer =
                new SaeTrainer(config("topk:k=5", InputNormalisation.Kind.NONE, 0, centre), x);
            Sae sae = trainer.snapshot()) {
          double expected = centre == SaeTrainer.Centre.MEAN ? 503.0 / 5 : 1;
          for (float value : sae.decoderBias().toFloats()) assertEquals(expected, value, 1e-3);
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"topk:k=2", "relu:l1=3", "jumprelu:l0=0.5,bandwidth=0.5"})
  void deadFeaturesStartAnewAtATokenOfTheBatch(String variant) throws Exception {
    var config = config(variant, InputNormalisation.Kind.NONE, 3, SaeTrainer.Centre.MEAN);
    try (Scope scope = Scope.open()) {
      Tensor x = Tensor.of(gaussian(9, N * D, 1, 0), N, D);
      try (Sae start = halfDead(config, x);
          SaeTrainer trainer = new SaeTrainer(config, start);
          SaeTrainer resumed = new SaeTrainer(config, start)) {
        trainer.step(x, 1e-2);
        trainer.save(temp.resolve("state"));
        resumed.resume(temp.resolve("state"));
        trainer.step(x, 1e-2);
        float[] before;
        try (Sae sae = trainer.snapshot()) {
          before = sae.decoder().toFloats();
        }
        trainer.step(x, 1e-9); // moves nothing by itself
        resumed.step(x, 1e-2);
        resumed.step(x, 1e-9);
        trainer.save(temp.resolve("a"));
        resumed.save(temp.resolve("b"));
        assertEquals(-1, Files.mismatch(temp.resolve("a"), temp.resolve("b")), "resumed");
        try (Sae sae = trainer.snapshot()) {
          float[] after = sae.decoder().toFloats();
          List<Integer> moved = new ArrayList<>();
          for (int f = 0; f < F; f++) if (distance(before, after, f) > 1e-3) moved.add(f);
          assertTrue(moved.size() >= F / 2 && moved.size() < F, () -> moved.size() + " moved");
          float[] tokens = x.sub(sae.decoderBias()).unit().toFloats();
          float[] readers = sae.encoder().transpose(0, 1).contiguous().toFloats();
          double length = 0;
          for (int f = 0; f < F; f++) if (!moved.contains(f)) length += norm(readers, f);
          length *= 0.2 / (F - moved.size());
          for (int f : moved) {
            double best = 0;
            for (int t = 0; t < N; t++) best = Math.max(best, dot(after, f, tokens, t));
            assertEquals(1, best, 1e-4, "a token's direction");
            assertEquals(length, norm(readers, f), 1e-4);
            assertEquals(0, sae.encoderBias().toFloats()[f]);
          }
        }
      }
    }
  }

  /** Every other feature never fires. */
  private static Sae halfDead(SaeTrainer.Config config, Tensor x) {
    float[] bias = new float[F];
    for (int f = 0; f < F; f += 2) bias[f] = -100;
    try (SaeTrainer trainer = new SaeTrainer(config, x);
        Scope scope = Scope.open()) {
      Sae sae = trainer.snapshot();
      sae.encoderBias().copyFrom(Tensor.of(bias, F));
      return sae;
    }
  }

  @Test
  void whatDoesNotGoTogetherIsRefused() {
    var mean = SaeTrainer.Centre.MEAN;
    assertThrows(
        IllegalArgumentException.class,
        () -> config("matryoshka:k=4", InputNormalisation.Kind.NONE, 3, mean));
    try (Scope scope = Scope.open()) {
      Tensor x = Tensor.of(gaussian(9, N * D, 1, 0), N, D);
      try (SaeTrainer trainer =
              new SaeTrainer(config("topk:k=2", InputNormalisation.Kind.NONE, 0, mean), x);
          Sae sae = trainer.snapshot()) {
        var standardised = config("topk:k=2", InputNormalisation.Kind.STANDARDISE, 0, mean);
        assertThrows(IllegalArgumentException.class, () -> new SaeTrainer(standardised, sae));
      }
    }
  }

  private static double distance(float[] a, float[] b, int row) {
    double sum = 0;
    for (int j = row * D; j < (row + 1) * D; j++) sum += (a[j] - b[j]) * (a[j] - b[j]);
    return Math.sqrt(sum);
  }

  private static double norm(float[] a, int row) {
    return Math.sqrt(dot(a, row, a, row));
  }

  private static double dot(float[] a, int row, float[] b, int other) {
    double sum = 0;
    for (int j = 0; j < D; j++) sum += a[row * D + j] * b[other * D + j];
    return sum;
  }
}
