// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab;

import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SaeActivation;
import java.util.Random;

/** SAEs whose answers are known; whoever asks for one closes it. */
public final class TestSaes {
  private TestSaes() {}

  private static Tensor tensor(float[] values, long... shape) {
    try (Scope scope = Scope.open()) {
      return scope.release(Tensor.of(values, shape));
    }
  }

  public static Sae random(
      int width,
      int features,
      SaeActivation activation,
      InputNormalisation normalisation,
      boolean subtracts,
      long seed) {
    Random random = new Random(seed);
    float[][] parts = new float[4][];
    int[] sizes = {width * features, features, features * width, width};
    double[] deviations = {0.3, 0.5, 0.1, 0.2};
    for (int p = 0; p < 4; p++) {
      parts[p] = new float[sizes[p]];
      for (int i = 0; i < sizes[p]; i++) {
        parts[p][i] = (float) (deviations[p] * random.nextGaussian());
      }
    }
    // Features that are hardly ever active, and one that never is.
    for (int k = 0; k < 12; k++) parts[1][k] = k == 0 ? -100 : -0.4f * k;
    return new Sae(
        activation,
        normalisation,
        tensor(parts[0], width, features),
        tensor(parts[1], features),
        tensor(parts[2], features, width),
        tensor(parts[3], width),
        subtracts);
  }

  /** {@code x̂ = relu(x)·1 − relu(−x)·1 = x}. */
  public static Sae perfect(int width) {
    float[] encoder = new float[width * 2 * width];
    float[] decoder = new float[2 * width * width];
    for (int j = 0; j < width; j++) {
      encoder[j * 2 * width + j] = 1;
      encoder[j * 2 * width + width + j] = -1;
      decoder[j * width + j] = 1;
      decoder[(width + j) * width + j] = -1;
    }
    return new Sae(
        new SaeActivation.Relu(),
        new InputNormalisation.None(),
        tensor(encoder, width, 2 * width),
        tensor(new float[2 * width], 2 * width),
        tensor(decoder, 2 * width, width),
        tensor(new float[width], width),
        true);
  }

  /** Gives back {@code constant} whatever it reads; no feature is ever active. */
  public static Sae constant(double[] constant, int features) {
    int width = constant.length;
    float[] bias = new float[width];
    for (int j = 0; j < width; j++) bias[j] = (float) constant[j];
    return new Sae(
        new SaeActivation.Relu(),
        new InputNormalisation.None(),
        tensor(new float[width * features], width, features),
        tensor(new float[features], features),
        tensor(new float[features * width], features, width),
        tensor(bias, width),
        false);
  }
}
