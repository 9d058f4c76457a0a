// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.stats;

import java.util.SplittableRandom;
import java.util.stream.IntStream;

/** Random orders, each as likely as any other (Fisher and Yates). */
public final class RandomOrder {
  private RandomOrder() {}

  /** The numbers 0 to n − 1 in random order. */
  public static int[] of(int n, SplittableRandom random) {
    return shuffle(IntStream.range(0, n).toArray(), random);
  }

  /** Puts numbers into random order, in place, and returns them. */
  public static int[] shuffle(int[] numbers, SplittableRandom random) {
    for (int i = numbers.length - 1; i > 0; i--) {
      int j = random.nextInt(i + 1);
      int other = numbers[i];
      numbers[i] = numbers[j];
      numbers[j] = other;
    }
    return numbers;
  }
}
