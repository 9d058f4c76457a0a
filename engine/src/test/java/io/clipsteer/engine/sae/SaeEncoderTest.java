// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Fast encoding against {@link Sae#encode}. */
final class SaeEncoderTest {
  private static Tensor random(Random random, double deviation, long... shape) {
    int n = 1;
    for (long s : shape) n *= (int) s;
    float[] values = new float[n];
    for (int i = 0; i < n; i++) values[i] = (float) (deviation * random.nextGaussian());
    return Tensor.of(values, shape);
  }

  private static Sae sae(Random random, SaeActivation activation, int features) {
    return new Sae(
        activation,
        new InputNormalisation.LayerNorm(),
        random(random, 0.2, 32, features),
        random(random, 0.1, features),
        random(random, 0.2, features, 32),
        random(random, 0.2, 32),
        true);
  }

  @Test
  void aWideTopKGivesTheSameCode() {
    Random random = new Random(2);
    try (Scope scope = Scope.open()) {
      Sae sae = sae(random, new SaeActivation.TopK(24), 4096);
      Tensor x = random(random, 3, 200, 32);
      SparseCode slow = sae.encode(x).code();
      try (SaeEncoder encoder = new SaeEncoder(sae)) {
        SparseCode fast = encoder.encode(x);
        assertArrayEquals(slow.starts(), fast.starts());
        float[] expected = slow.dense(4096).toFloats();
        float[] actual = fast.dense(4096).toFloats();
        int differ = 0;
        for (int i = 0; i < expected.length; i++) {
          if (Math.abs(expected[i] - actual[i]) > 1e-4) differ++;
        }
        // Of 4,800 entries, those that bf16 may have misjudged.
        assertTrue(differ <= 4, differ + " differ");
      }
    }
  }

  @Test
  void othersEncodeAsTheyAre() {
    Random random = new Random(3);
    try (Scope scope = Scope.open()) {
      for (Sae sae :
          new Sae[] {
            sae(random, new SaeActivation.TopK(4), 64), sae(random, new SaeActivation.Relu(), 4096)
          }) {
        Tensor x = random(random, 3, 5, 32);
        try (SaeEncoder encoder = new SaeEncoder(sae)) {
          SparseCode code = encoder.encode(x);
          SparseCode expected = sae.encode(x).code();
          assertArrayEquals(expected.values().toFloats(), code.values().toFloats());
          assertEquals(
              expected.indices().to(DType.I64).toLongs().length,
              code.indices().to(DType.I64).toLongs().length);
        }
      }
    }
  }
}
