// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.kernels.RowKernels;
import io.clipsteer.kernels.SparseRows;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import org.apiguardian.api.API;

/**
 * Which features are active on which token, and how strongly: row i has the entries from {@code
 * starts[i]} to {@code starts[i + 1]}, by ascending feature.
 *
 * @param starts one more than there are rows
 * @param indices feature numbers, I32 [entries]
 * @param values activations, F32 [entries]; an entry may be 0
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record SparseCode(int[] starts, Tensor indices, Tensor values) {
  /** Number of tokens. */
  public int rows() {
    return starts.length - 1;
  }

  /** Number of entries. */
  public int entries() {
    return starts[starts.length - 1];
  }

  /** The k largest of every row of F32 [n,f]; negative ones among them stay. */
  static SparseCode topK(Tensor preActivations, int k) {
    int n = Math.toIntExact(preActivations.size(0));
    Tensor indices = Tensor.empty(DType.I32, (long) n * k);
    Tensor values = Tensor.empty(DType.F32, (long) n * k);
    RowKernels.topK(
        preActivations.contiguous().segment(),
        n,
        (int) preActivations.size(1),
        k,
        values.segment(),
        indices.segment());
    return uniform(n, k, indices, values);
  }

  /**
   * The k largest pre-activations of every row, negative ones among them as 0, in pieces that bound
   * the memory.
   *
   * @param features f
   * @param encode from rows to their pre-activations F32 [n,f] on the CPU
   */
  public static SparseCode topK(Tensor rows, long features, UnaryOperator<Tensor> encode, int k) {
    SparseCode code = inPieces(rows, piece(features, 4), part -> topK(encode.apply(part), k));
    code.values.reluInPlace();
    return code;
  }

  /** Rows of k entries each. */
  static SparseCode uniform(int n, int k, Tensor indices, Tensor values) {
    int[] starts = new int[n + 1];
    for (int i = 0; i <= n; i++) starts[i] = Math.multiplyExact(i, k);
    return new SparseCode(starts, indices.reshape(starts[n]), values.reshape(starts[n]));
  }

  /**
   * Entries of F32 [n,f] above their column's bound.
   *
   * @param bounds F32 [f]
   */
  public static SparseCode above(Tensor preActivations, Tensor bounds) {
    Tensor matrix = preActivations.contiguous();
    int n = Math.toIntExact(matrix.size(0));
    int columns = (int) matrix.size(1);
    int[] counts = new int[n];
    RowKernels.countAbove(matrix.segment(), columns, bounds.segment(), counts);
    int[] starts = new int[n + 1];
    for (int i = 0; i < n; i++) starts[i + 1] = Math.addExact(starts[i], counts[i]);
    Tensor indices = Tensor.empty(DType.I32, starts[n]);
    Tensor values = Tensor.empty(DType.F32, starts[n]);
    RowKernels.takeAbove(
        matrix.segment(), columns, bounds.segment(), starts, indices.segment(), values.segment());
    return new SparseCode(starts, indices, values);
  }

  /** The rows of all, one after the other. */
  public static SparseCode concat(List<SparseCode> parts) {
    if (parts.size() == 1) return parts.getFirst();
    int rows = parts.stream().mapToInt(SparseCode::rows).sum();
    int[] starts = new int[rows + 1];
    int at = 0;
    List<Tensor> indices = new ArrayList<>();
    List<Tensor> values = new ArrayList<>();
    for (SparseCode part : parts) {
      for (int i = 0; i < part.rows(); i++) {
        starts[at + 1] = Math.addExact(starts[at], part.starts[i + 1] - part.starts[i]);
        at++;
      }
      indices.add(part.indices);
      values.add(part.values);
    }
    return new SparseCode(starts, Tensor.concat(indices, 0), Tensor.concat(values, 0));
  }

  /** Bytes of a dense product [rows,features] held at a time. */
  private static final long PRODUCT_BYTES = 256L << 20;

  /** Rows of a dense product, {@code bytes} per number, that are computed at a time. */
  static long piece(long features, long bytes) {
    return Math.max(1, PRODUCT_BYTES / (bytes * features));
  }

  /** Encodes {@code piece} rows at a time, which bounds the memory of the dense product. */
  static SparseCode inPieces(Tensor rows, long piece, Function<Tensor, SparseCode> encode) {
    List<SparseCode> pieces = new ArrayList<>();
    long n = rows.size(0);
    for (long at = 0; at < n || at == 0; at += piece) {
      try (Scope scope = Scope.open()) {
        SparseCode code = encode.apply(rows.narrow(0, at, Math.min(piece, n - at)));
        scope.keep(code.indices());
        scope.keep(code.values());
        pieces.add(code);
      }
    }
    return concat(pieces);
  }

  /** As the kernels take it. */
  public SparseRows sparse(int features) {
    return new SparseRows(features, starts, indices.segment(), values.segment());
  }

  /** The row of each entry. */
  private long[] entryRows() {
    long[] rows = new long[entries()];
    for (int i = 0; i < rows(); i++) Arrays.fill(rows, starts[i], starts[i + 1], i);
    return rows;
  }

  /**
   * The activations of some features alone, F32 [n,chosen].
   *
   * @param chosen feature numbers, each once
   */
  public Tensor columns(int[] chosen) {
    Map<Integer, Integer> places = new HashMap<>();
    for (int c = 0; c < chosen.length; c++) places.put(chosen[c], c);
    var numbers = indices.segment();
    var activations = values.segment();
    float[] dense = new float[Math.multiplyExact(rows(), chosen.length)];
    for (int row = 0; row < rows(); row++) {
      for (int e = starts[row]; e < starts[row + 1]; e++) {
        Integer column = places.get(numbers.getAtIndex(ValueLayout.JAVA_INT, e));
        if (column == null) continue;
        dense[row * chosen.length + column] = activations.getAtIndex(ValueLayout.JAVA_FLOAT, e);
      }
    }
    return Tensor.of(dense, rows(), chosen.length);
  }

  /** The same as a dense matrix F32 [n,features]. */
  public Tensor dense(long features) {
    long[] places = entryRows();
    long[] columns = indices.to(DType.I64).toLongs();
    for (int e = 0; e < places.length; e++) places[e] = places[e] * features + columns[e];
    return Tensor.zeros(DType.F32, rows() * features)
        .scatterInPlace(0, Tensor.of(places, places.length), values)
        .reshape(rows(), features);
  }
}
