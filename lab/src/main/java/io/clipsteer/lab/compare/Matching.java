// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.compare;

import io.clipsteer.data.stats.Share;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import java.util.Arrays;
import java.util.Collections;
import java.util.SplittableRandom;
import java.util.function.ObjIntConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Pairs of rows of two sets by their cosine: decoder rows, or centred scores over images, whose
 * cosine is their correlation.
 *
 * @param optimal whether pairs are those of the largest sum; otherwise mutual nearest neighbours
 * @param partner of each row of A in B, or −1
 * @param value cosine of each pair; 0 without one
 * @param a nearest of each row of A
 * @param b nearest of each row of B
 */
@SuppressWarnings("ArrayRecordComponent") // plain buffers: matchings are never compared
public record Matching(boolean optimal, int[] partner, float[] value, Nearest a, Nearest b) {
  /** Rows of A that are multiplied at a time. */
  private static final int BATCH = 512;

  /**
   * The most similar row on the other side.
   *
   * @param row its number; −1 where the other side is empty
   * @param value cosine
   */
  @SuppressWarnings("ArrayRecordComponent")
  public record Nearest(int[] row, float[] value) {
    private static Nearest none(int rows) {
      int[] row = new int[rows];
      Arrays.fill(row, -1);
      float[] value = new float[rows];
      Arrays.fill(value, -1);
      return new Nearest(row, value);
    }

    /** Of values; 0 for none. */
    public double mean() {
      double sum = 0;
      for (float v : value) sum += v;
      return value.length == 0 ? 0 : sum / value.length;
    }

    /** Share of rows whose nearest reaches the threshold; null without rows. */
    @Nullable Share share(double threshold) {
      int hits = 0;
      for (float v : value) if (v >= threshold) hits++;
      return value.length == 0 ? null : Share.of(hits, value.length);
    }
  }

  /**
   * Matches.
   *
   * @param a unit rows (or zeros), F32 [n,d]
   * @param b the same of the other side, [m,d]
   * @param most rows of a side up to which the pairs are those of the largest sum
   */
  static Matching of(Tensor a, Tensor b, int most) {
    int n = (int) a.size(0);
    int m = (int) b.size(0);
    boolean optimal = Math.max(n, m) <= most;
    float[] all = new float[optimal ? Math.multiplyExact(n, m) : 0];
    Nearest ofA = Nearest.none(n);
    Nearest ofB = Nearest.none(m);
    products(
        a,
        b,
        (rows, from) -> {
          if (optimal) System.arraycopy(rows, 0, all, from * m, rows.length);
          nearest(from, rows, m, ofA, ofB);
        });
    int[] partner = new int[n];
    Arrays.fill(partner, -1);
    float[] value = new float[n];
    if (optimal) {
      assign(all, n, m, partner);
      for (int i = 0; i < n; i++) if (partner[i] >= 0) value[i] = all[i * m + partner[i]];
    } else {
      for (int i = 0; i < n; i++) {
        int j = ofA.row[i];
        if (j < 0 || ofB.row[j] != i) continue;
        partner[i] = j;
        value[i] = ofA.value[i];
      }
    }
    return new Matching(optimal, partner, value, ofA, ofB);
  }

  /** The smaller side are the rows. */
  private static void assign(float[] all, int n, int m, int[] partner) {
    if (n == 0 || m == 0) return;
    if (n <= m) {
      System.arraycopy(Assignment.maximise(all, n, m), 0, partner, 0, n);
      return;
    }
    float[] turned = new float[all.length];
    for (int i = 0; i < n; i++) for (int j = 0; j < m; j++) turned[j * n + i] = all[i * m + j];
    int[] columns = Assignment.maximise(turned, m, n);
    for (int j = 0; j < m; j++) partner[columns[j]] = j;
  }

  /**
   * Multiplies.
   *
   * @param consumer takes rows of the product, and the number of the first
   */
  private static void products(Tensor a, Tensor b, ObjIntConsumer<float[]> consumer) {
    if (b.size(0) == 0) return;
    try (Scope scope = Scope.open()) {
      Tensor columns = b.transpose(0, 1);
      for (int from = 0; from < a.size(0); from += BATCH) {
        long count = Math.min(BATCH, a.size(0) - from);
        try (Scope inner = Scope.open()) {
          consumer.accept(a.narrow(0, from, count).matmul(columns).toFloats(), from);
        }
      }
    }
  }

  private static void nearest(int from, float[] rows, int m, Nearest ofA, Nearest ofB) {
    for (int k = 0; k < rows.length; k++) {
      int i = from + k / m;
      int j = k % m;
      float v = rows[k];
      if (ofA.row[i] < 0 || v > ofA.value[i]) {
        ofA.row[i] = j;
        ofA.value[i] = v;
      }
      if (ofB.row[j] < 0 || v > ofB.value[j]) {
        ofB.row[j] = i;
        ofB.value[j] = v;
      }
    }
  }

  /** The nearest of each row of A alone. */
  static Nearest nearest(Tensor a, Tensor b) {
    int m = (int) b.size(0);
    Nearest ofA = Nearest.none((int) a.size(0));
    Nearest ofB = Nearest.none(m);
    products(a, b, (rows, from) -> nearest(from, rows, m, ofA, ofB));
    return ofA;
  }

  /**
   * Chance level: the nearest in B with shuffled columns, the same order for all rows. B keeps its
   * own geometry and loses its relation to A.
   */
  static Nearest chance(Tensor a, Tensor b, long seed) {
    int d = (int) b.size(1);
    Long[] order = new Long[d];
    Arrays.setAll(order, i -> (long) i);
    Collections.shuffle(Arrays.asList(order), new SplittableRandom(seed));
    long[] columns = Arrays.stream(order).mapToLong(Long::longValue).toArray();
    try (Scope scope = Scope.open()) {
      return nearest(a, b.indexSelect(1, Tensor.of(columns, d)));
    }
  }

  /** Number of pairs that reach the threshold. */
  int pairs(double threshold) {
    int count = 0;
    for (int i = 0; i < partner.length; i++) {
      if (partner[i] >= 0 && value[i] >= threshold) count++;
    }
    return count;
  }

  /** The partner of each row of B in A, or −1. */
  int[] partnersOfB() {
    int[] turned = new int[b.row.length];
    Arrays.fill(turned, -1);
    for (int i = 0; i < partner.length; i++) if (partner[i] >= 0) turned[partner[i]] = i;
    return turned;
  }
}
