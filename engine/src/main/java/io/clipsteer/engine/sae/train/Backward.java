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
 * The loss and its gradients by a sparse code. Where there are several reconstructions, their codes
 * are stacked, n rows each, and so are their errors.
 *
 * @param loss sparsity penalty included
 * @param code the decoded entries, [blocks·n,f]
 * @param codeGradient dL/dp of each entry, p the pre-activation: F32 [entries]
 * @param rows dL/dẑ of each row, which an entry's decoder row is moved along: F32 [blocks·n,d]
 * @param toBias dL/db_dec through the decoder: F32 [d]
 * @param toThresholds dL/dθ of JumpReLU's thresholds, [f]; empty for other variants
 */
record Backward(
    double loss,
    SparseCode code,
    Tensor codeGradient,
    Tensor rows,
    Tensor toBias,
    double[] toThresholds) {

  /**
   * One reconstruction.
   *
   * @param penalty loss per unit of activation
   */
  static Backward plain(SparseCode code, SaeWeights weights, StepInput input, double penalty) {
    return plain(code, weights, weights.decoderBias().value(), input.z(), input.scales(), penalty);
  }

  private static Backward plain(
      SparseCode code, SaeWeights weights, Tensor bias, Tensor z, Tensor scales, double penalty) {
    Tensor gradient = Tensor.empty(DType.F32, z.shape());
    Tensor codeGradient = Tensor.empty(DType.F32, code.entries());
    Tensor decoder = weights.decoder().value();
    double[] squares =
        SparseKernels.best()
            .reconstruct(
                code.sparse((int) decoder.size(0)),
                new SparseKernels.Affine(decoder.segment(), bias.segment(), (int) z.size(1)),
                new SparseKernels.GradientTarget(z.segment(), scales.segment(), penalty),
                gradient.segment(),
                codeGradient.segment());
    double loss = loss(squares, scales);
    if (penalty != 0) loss += penalty * code.values().sum(DType.F64).item();
    return new Backward(
        loss, code, codeGradient, gradient, gradient.sum(0, false, DType.F32), new double[0]);
  }

  private static double loss(double[] squares, Tensor scales) {
    float[] weights = scales.toFloats();
    double loss = 0;
    for (int i = 0; i < squares.length; i++) loss += 0.5 * weights[i] * squares[i];
    return loss;
  }

  /**
   * Matryoshka's nested reconstructions from the first features; the loss is their mean.
   *
   * @param bounds one past the last feature of each group, ascending to f
   */
  static Backward nested(SparseCode code, SaeWeights weights, StepInput input, int[] bounds) {
    Tensor z = input.z();
    Tensor scales = input.scales();
    Tensor decoder = weights.decoder().value();
    int groups = bounds.length;
    int width = (int) z.size(1);
    int features = (int) decoder.size(0);
    List<SparseCode> parts = split(code, bounds);
    Tensor ones = Tensor.zeros(DType.F32, z.size(0)).addInPlace(1);
    Tensor zeros = Tensor.zeros(DType.F32, width);
    Tensor target = z;
    double loss = 0;
    List<Tensor> errors = new ArrayList<>();
    for (int g = 0; g < groups; g++) {
      // Each group reconstructs what the groups before it leave over.
      Tensor bias = g == 0 ? weights.decoderBias().value() : zeros;
      Tensor error = Tensor.empty(DType.F32, z.shape());
      Tensor unused = Tensor.empty(DType.F32, parts.get(g).entries());
      double[] squares =
          SparseKernels.best()
              .reconstruct(
                  parts.get(g).sparse(features),
                  new SparseKernels.Affine(decoder.segment(), bias.segment(), width),
                  new SparseKernels.GradientTarget(target.segment(), ones.segment(), 0),
                  error.segment(),
                  unused.segment());
      loss += loss(squares, scales) / groups;
      errors.add(error.mul(scales).mulInPlace(1.0 / groups));
      target = error.mul(-1);
    }
    // A group contributes to its own reconstruction and to all larger ones.
    for (int g = groups - 2; g >= 0; g--) errors.get(g).addInPlace(errors.get(g + 1));
    SparseCode all = SparseCode.concat(parts);
    Tensor rows = Tensor.concat(errors, 0);
    Tensor toBias = errors.getFirst().sum(0, false, DType.F32);
    return new Backward(loss, all, products(all, rows, decoder), rows, toBias, new double[0]);
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
  private static Tensor products(SparseCode code, Tensor rows, Tensor decoder) {
    int features = (int) decoder.size(0);
    Tensor products = Tensor.empty(DType.F32, code.entries());
    SparseRows out =
        new SparseRows(features, code.starts(), code.indices().segment(), products.segment());
    var unbiased =
        new SparseKernels.Affine(
            decoder.segment(), Tensor.zeros(DType.F32, features).segment(), (int) rows.size(1));
    SparseKernels.best().rescore(rows.segment(), out, unbiased);
    return products;
  }

  /**
   * JumpReLU, with the thresholds' gradients: they are nonzero in a window around each threshold (a
   * rectangular kernel; Rajamanoharan et al. 2024, equations 11 and 12).
   *
   * @param near pre-activations above their threshold minus half the window
   * @param bandwidth width of the window
   * @param perActive loss per active feature of a token
   */
  static Backward jump(
      SparseCode near, SaeWeights weights, StepInput input, double bandwidth, double perActive) {
    float[] thresholds = weights.thresholds();
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
    Backward plain = plain(code, weights, input, 0);
    float[] back = products(code, plain.rows, weights.decoder().value()).toFloats();
    double[] toThresholds = new double[thresholds.length];
    for (int e = 0; e < back.length; e++) {
      int feature = (int) indices[e];
      double theta = thresholds[feature];
      if (Math.abs(pre[e] - theta) < bandwidth / 2) {
        toThresholds[feature] -= (theta * back[e] + perActive) / bandwidth;
      }
    }
    double loss = plain.loss + perActive * count;
    return new Backward(loss, code, plain.codeGradient, plain.rows, plain.toBias, toThresholds);
  }

  /**
   * Adds AuxK's loss: other features reconstruct the error that the first reconstruction leaves.
   *
   * @param other their code, [n,f]
   * @param error z − ẑ, [n,d]
   * @param scales as {@link StepInput#scales}, of the auxiliary loss
   */
  Backward withAuxK(SparseCode other, Tensor error, Tensor scales, SaeWeights weights) {
    Tensor zeros = Tensor.zeros(DType.F32, error.size(1));
    Backward second = plain(other, weights, zeros, error, scales, 0);
    return new Backward(
        loss + second.loss,
        SparseCode.concat(List.of(code, other)),
        Tensor.concat(List.of(codeGradient, second.codeGradient), 0),
        Tensor.concat(List.of(rows, second.rows), 0),
        toBias,
        toThresholds);
  }
}
