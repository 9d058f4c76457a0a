// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.store;

/**
 * A shuffle of 0 … n−1 as a function: entry i without a table, so that a cursor is one number and
 * memory does not grow with n. A Feistel network of six rounds over the next power of four, walked
 * until it lands below n (Black and Rogaway 2002, "cycle walking").
 */
public final class Permutation {
  private static final int ROUNDS = 6;

  private final long n;
  private final int halfBits;
  private final long mask;
  private final long[] keys = new long[ROUNDS];

  /** The shuffle of n numbers that belongs to a seed. */
  public Permutation(long n, long seed) {
    if (n < 1) throw new IllegalArgumentException("a shuffle of " + n);
    this.n = n;
    int bits = 64 - Long.numberOfLeadingZeros(Math.max(3, n - 1));
    this.halfBits = (bits + 1) / 2;
    this.mask = (1L << halfBits) - 1;
    for (int i = 0; i < ROUNDS; i++) keys[i] = mix(seed + (i + 1) * 0x9e3779b97f4a7c15L);
  }

  /** How many numbers. */
  public long size() {
    return n;
  }

  /** Entry {@code i}, 0 ≤ i &lt; n. */
  public long at(long i) {
    if (i < 0 || i >= n) throw new IndexOutOfBoundsException(i + " of " + n);
    long x = i;
    do {
      x = once(x);
    } while (x >= n);
    return x;
  }

  private long once(long x) {
    long left = x >>> halfBits;
    long right = x & mask;
    for (long key : keys) {
      long next = left ^ (mix(right ^ key) & mask);
      left = right;
      right = next;
    }
    return left << halfBits | right;
  }

  /** The finaliser of SplitMix64. */
  private static long mix(long z) {
    long x = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
    x = (x ^ (x >>> 27)) * 0x94d049bb133111ebL;
    return x ^ (x >>> 31);
  }
}
