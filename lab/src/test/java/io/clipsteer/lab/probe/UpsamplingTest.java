// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.probe;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.clipsteer.data.image.LabelMap;
import io.clipsteer.data.imageset.SegmentationSet;
import org.junit.jupiter.api.Test;

/** From masks to patches and from patches to pixels. */
final class UpsamplingTest {
  /** By PyTorch: bench/peers/make_upsampling_golden.py. */
  @Test
  void interpolatesAsPyTorch() {
    float[] logits = {1, 0, 0.2f, 0, 2, 0.1f, 0.5f, 0.4f, 3, 0, 0.1f, 1.5f, 2, 0, 0.3f, 0.2f, 1, 0};
    LabelMap answers = Upsampling.answers(logits, 3, 3, 8, 5);
    byte[] golden = {
      0, 0, 1, 1, 1, 2, 2, 2,
      0, 0, 1, 1, 1, 2, 2, 2,
      2, 2, 0, 0, 1, 2, 2, 2,
      2, 2, 2, 0, 0, 0, 1, 1,
      2, 2, 2, 0, 0, 0, 1, 1,
    };
    assertArrayEquals(golden, answers.labels());
    assertEquals(8, answers.width());
  }

  @Test
  void aPatchHasItsCommonestLabel() {
    byte none = (byte) SegmentationSet.NONE;
    byte[] mask = {
      1, 1, 2, 2, 0, 0, 1, 0, 1, 1, none, none,
    };
    // The second patch has two labels twice: the lower. The third: a class and none.
    int[] labels = LabelledFeatures.patches(new LabelMap(6, 2, mask), 2);
    assertArrayEquals(new int[] {1, 1, 0}, labels);
    byte[] unknown = {none, none, none, 0};
    assertArrayEquals(new int[] {-1}, LabelledFeatures.patches(new LabelMap(2, 2, unknown), 2));
  }

  @Test
  void countsHowOftenAnImageIsDrawn() {
    // The share of even numbers among 100 images: 0.5 with an error of 0.05.
    ImageInterval half =
        ImageInterval.of(
            100,
            1,
            times -> {
              int even = 0;
              for (int i = 0; i < 100; i += 2) even += times[i];
              return even / 100.0;
            });
    assertEquals(0.5, half.value());
    assertEquals(0.4, half.low(), 0.025);
    assertEquals(0.6, half.high(), 0.025);
  }
}
