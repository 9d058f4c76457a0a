// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.AdamWeights;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.OneThread;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SaeActivation;
import java.nio.file.Path;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Steps by tensor operations alone: those of the CPU's sparse path, and without memory of the CPU.
 */
@ExtendWith(OneThread.class)
final class DenseStepTest {
  private static final int D = 24;
  private static final int F = 160;
  private static final int N = 96;

  /**
   * Adam divides by a gradient's own size, so the rounding of a tiny one is a share of the rate.
   */
  private static final double RATE = 3e-4;

  @TempDir private Path temp;

  private static SaeTrainer.Config config(String variant, double clip, Device device) {
    return new SaeTrainer.Config(
        SaeVariant.parse(variant),
        D,
        F,
        InputNormalisation.Kind.NONE,
        DType.F32,
        clip,
        2 * N,
        0,
        SaeTrainer.Centre.MEAN,
        5,
        device);
  }

  private static void near(Tensor expected, Tensor actual, String what) {
    float[] a = expected.toFloats();
    float[] b = actual.toFloats();
    assertEquals(a.length, b.length, what);
    for (int i = 0; i < a.length; i++) assertEquals(a[i], b[i], 1e-5, what + " " + i);
  }

  private static void same(SaeTrainer one, SaeTrainer other) {
    try (Sae expected = one.snapshot();
        Sae actual = other.snapshot()) {
      near(expected.encoder(), actual.encoder(), "W_enc");
      near(expected.encoderBias(), actual.encoderBias(), "b_enc");
      near(expected.decoder(), actual.decoder(), "W_dec");
      near(expected.decoderBias(), actual.decoderBias(), "b_dec");
      if (expected.activation() instanceof SaeActivation.JumpRelu(float[] thresholds)) {
        float[] own = ((SaeActivation.JumpRelu) actual.activation()).thresholds();
        assertArrayEquals(thresholds, own, 1e-5f, "thresholds");
      }
    }
  }

  /** Six steps, each from the same state; the last revive the features that died meanwhile. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "topk:k=3,aux=0.5",
        "batchtopk:k=3,aux=0.5",
        "matryoshka:k=4,groups=3",
        "relu:l1=0.3,loss=paper,ghost=true",
        "relu:l1=0.02,loss=clipped",
        "jumprelu:l0=0.02,bandwidth=0.5"
      })
  void bothPathsTakeTheSameSteps(String variant) {
    SaeTrainer.Config config = config(variant, 0.5, Device.CPU);
    SplittableRandom random = new SplittableRandom(3);
    try (Scope scope = Scope.open()) {
      Tensor first = Tensor.normal(random, 1, N, D);
      try (SaeTrainer sparse = new SaeTrainer(config, first);
          SaeTrainer dense = new SaeTrainer(config, first).withTensorsAlone()) {
        for (int step = 0; step < 6; step++) {
          Tensor x = Tensor.normal(random, 1, N, D);
          SaeTrainer.Step expected = sparse.step(x, RATE);
          SaeTrainer.Step actual = dense.step(x, RATE);
          assertEquals(expected.loss(), actual.loss(), 1e-5 * Math.abs(expected.loss()));
          assertEquals(expected.l0(), actual.l0(), 1e-9, "l0 of step " + step);
          same(sparse, dense);
          sparse.save(temp.resolve("state"));
          dense.resume(temp.resolve("state"));
        }
      }
    }
  }

  /**
   * On libtorch's meta device a tensor has no memory: an operation that mixed devices, or read
   * numbers into the CPU's memory, would fail.
   */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "topk:k=3",
        "matryoshka:k=4,groups=3",
        "relu:l1=0.3,loss=paper",
        "jumprelu:l0=0.02,bandwidth=0.5"
      })
  void noNumberLeavesTheDevice(String variant) {
    SaeTrainer.Config config = config(variant, 0, Device.NONE);
    try (Scope scope = Scope.open()) {
      Tensor x = Tensor.zeros(DType.F32, Device.NONE, N, D);
      try (SaeWeights weights = SaeWeights.fresh(config, x)) {
        Tensor bias = weights.decoderBias().value();
        StepInput input =
            StepInput.of(x, new InputNormalisation.None(), bias, config.variant().loss());
        Tensor cut = Tensor.zeros(DType.F32, Device.NONE, 1);
        var batch = new DenseBatch(config, weights, input, N / 2, cut);
        DenseGradients gradients = batch.gradients(1);
        new SaeUpdate(weights, 0, 1e-3, 1, part -> {}).dense(gradients);
        assertEquals(Device.NONE, gradients.loss().device());
        assertEquals(Device.NONE, gradients.counts().device());
        for (Map.Entry<String, AdamWeights> one : weights.named().entrySet()) {
          assertEquals(Device.NONE, one.getValue().value().device(), one.getKey());
          assertEquals(Device.NONE, one.getValue().first().device(), one.getKey());
        }
        assertNull(weights.shortEncoder());
      }
    }
  }
}
