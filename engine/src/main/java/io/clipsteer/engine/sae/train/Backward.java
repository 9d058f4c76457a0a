// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae.train;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.sae.SparseCode;
import io.clipsteer.kernels.SparseKernels;
import io.clipsteer.kernels.SparseRows;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A loss followed back to a sparse code. Where several reconstructions take part, their codes lie
 * one after the other, n rows each, and so do the errors they answer for.
 *
 * @param loss its value
 * @param code the entries that were decoded: [blocks·n,f]
 * @param codeGradient dL/dp of each entry, p the pre-activation: F32 [entries]
 * @param rows what an entry's decoder row is pulled along: F32 [blocks·n,d]
 * @param toBias dL/db_dec through the decoder: F32 [d]
 */
record Backward(double loss, SparseCode code, Tensor codeGradient, Tensor rows, Tensor toBias) {

  /**
   * One reconstruction.
   *
   * @param z [n,d]
   * @param scales dL/dẑ for an error of 1: [n,1]; the loss is half of it times the squared error
   * @param penalty loss for each unit of activation
   */
  static Backward plain(
      SparseCode code, Weights decoder, Tensor bias, Tensor z, Tensor scales, double penalty) {
    Tensor gradient = Tensor.empty(DType.F32, z.shape());
    Tensor codeGradient = Tensor.empty(DType.F32, code.entries());
    double[] squares =
        SparseKernels.best()
            .reconstruct(
                code.sparse((int) decoder.value().size(0)),
                decoder.value().segment(),
                bias.segment(),
                (int) z.size(1),
                z.segment(),
                scales.segment(),
                penalty,
                gradient.segment(),
                codeGradient.segment());
    double loss = loss(squares, scales);
    if (penalty != 0) loss += penalty * code.values().sum(DType.F64).item();
    return new Backward(loss, code, codeGradient, gradient, gradient.sum(0, false, DType.F32));
  }

  private static double loss(double[] squares, Tensor scales) {
    float[] weights = scales.toFloats();
    double loss = 0;
    for (int i = 0; i < squares.length; i++) loss += 0.5 * weights[i] * squares[i];
    return loss;
  }

  /**
   * Nested reconstructions from ever more features; the loss is their mean.
   *
   * @param bounds the first feature that a group does not have, rising to f
   */
  static Backward nested(
      SparseCode code, Weights decoder, Tensor bias, Tensor z, Tensor scales, int[] bounds) {
    int groups = bounds.length;
    int width = (int) z.size(1);
    int features = (int) decoder.value().size(0);
    List<SparseCode> parts = split(code, bounds);
    Tensor ones = Tensor.zeros(DType.F32, z.size(0)).addInPlace(1);
    Tensor zeros = Tensor.zeros(DType.F32, width);
    Tensor target = z;
    double loss = 0;
    List<Tensor> errors = new ArrayList<>();
    for (int g = 0; g < groups; g++) {
      // What the groups before leave over is what this one is to give.
      Tensor error = Tensor.empty(DType.F32, z.shape());
      Tensor unused = Tensor.empty(DType.F32, parts.get(g).entries());
      double[] squares =
          SparseKernels.best()
              .reconstruct(
                  parts.get(g).sparse(features),
                  decoder.value().segment(),
                  (g == 0 ? bias : zeros).segment(),
                  width,
                  target.segment(),
                  ones.segment(),
                  0,
                  error.segment(),
                  unused.segment());
      loss += loss(squares, scales) / groups;
      errors.add(error.mul(scales).mulInPlace(1.0 / groups));
      target = error.mul(-1);
    }
    // A group takes part in its own reconstruction and in all larger ones.
    for (int g = groups - 2; g >= 0; g--) errors.get(g).addInPlace(errors.get(g + 1));
    SparseCode all = SparseCode.concat(parts);
    Tensor rows = Tensor.concat(errors, 0);
    return new Backward(
        loss, all, products(all, rows, decoder), rows, errors.getFirst().sum(0, false, DType.F32));
  }

  private static List<SparseCode> split(SparseCode code, int[] bounds) {
    long[] indices = code.indices().to(DType.I64).toLongs();
    float[] values = code.values().toFloats();
    List<SparseCode> parts = new ArrayList<>();
    int low = 0;
    for (int high : bounds) {
      int[] starts = new int[code.rows() + 1];
      long[] columns = new long[indices.length];
      float[] kept = new float[indices.length];
      int at = 0;
      for (int row = 0; row < code.rows(); row++) {
        for (int e = code.starts()[row]; e < code.starts()[row + 1]; e++) {
          if (indices[e] < low || indices[e] >= high) continue;
          columns[at] = indices[e];
          kept[at++] = values[e];
        }
        starts[row + 1] = at;
      }
      parts.add(
          new SparseCode(
              starts,
              Tensor.of(Arrays.copyOf(columns, at), at).to(DType.I32),
              Tensor.of(Arrays.copyOf(kept, at), at)));
      low = high;
    }
    return parts;
  }

  /** {@code rows[i] · decoder_j} of every entry. */
  private static Tensor products(SparseCode code, Tensor rows, Weights decoder) {
    int features = (int) decoder.value().size(0);
    Tensor products = Tensor.empty(DType.F32, code.entries());
    SparseRows out =
        new SparseRows(features, code.starts(), code.indices().segment(), products.segment());
    SparseKernels.best()
        .rescore(
            rows.segment(),
            (int) rows.size(1),
            out,
            decoder.value().segment(),
            Tensor.zeros(DType.F32, features).segment());
    return products;
  }

  /**
   * JumpReLU: besides the code, the thresholds' gradients, felt in a window around each (a
   * rectangular kernel; Rajamanoharan et al. 2024, equations 11 and 12).
   *
   * @param near pre-activations above their threshold less half the window
   * @param thresholds [f]
   * @param perActive loss for each active feature of a token
   * @param toThresholds [f], written: dL/dθ
   */
  static Backward jump(
      SparseCode near,
      Weights decoder,
      Tensor bias,
      Tensor z,
      Tensor scales,
      float[] thresholds,
      double bandwidth,
      double perActive,
      double[] toThresholds) {
    long[] indices = near.indices().to(DType.I64).toLongs();
    float[] pre = near.values().toFloats();
    float[] active = new float[pre.length];
    long count = 0;
    for (int e = 0; e < pre.length; e++) {
      if (pre[e] <= thresholds[(int) indices[e]]) continue;
      active[e] = pre[e];
      count++;
    }
    SparseCode code =
        new SparseCode(near.starts(), near.indices(), Tensor.of(active, active.length));
    Backward plain = plain(code, decoder, bias, z, scales, 0);
    float[] back = products(code, plain.rows, decoder).toFloats();
    for (int e = 0; e < back.length; e++) {
      int feature = (int) indices[e];
      double theta = thresholds[feature];
      if (Math.abs(pre[e] - theta) < bandwidth / 2) {
        toThresholds[feature] -= (theta * back[e] + perActive) / bandwidth;
      }
    }
    return new Backward(
        plain.loss + perActive * count, code, plain.codeGradient, plain.rows, plain.toBias);
  }

  /**
   * With a second reconstruction, by other features, of what the first leaves over.
   *
   * @param other their code, [n,f]
   * @param rest what is left over: z − ẑ, [n,d]
   * @param scales as {@link #plain}'s, of the second loss
   */
  Backward with(SparseCode other, Tensor rest, Tensor scales, Weights decoder) {
    Tensor zeros = Tensor.zeros(DType.F32, rest.size(1));
    Backward second = plain(other, decoder, zeros, rest, scales, 0);
    return new Backward(
        loss + second.loss,
        SparseCode.concat(List.of(code, other)),
        Tensor.concat(List.of(codeGradient, second.codeGradient), 0),
        Tensor.concat(List.of(rows, second.rows), 0),
        toBias);
  }
}
