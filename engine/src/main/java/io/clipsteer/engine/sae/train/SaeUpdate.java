// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae.train;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.AdamWeights;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.sae.SparseCode;
import io.clipsteer.engine.sae.StepPart;
import io.clipsteer.kernels.SparseKernels;
import io.clipsteer.kernels.SparseRows;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/**
 * One update of all weights by Adam, from sparse or dense gradients. Decoder rows stay unit
 * vectors: the gradient's part along them is removed, and they are scaled back to length 1 (as
 * ViT-Prisma and saev do).
 *
 * @param clip largest norm of the gradient of all weights together; 0 for no clipping
 * @param rate learning rate
 * @param step 1 for the first update
 * @param mark receives each part of the work when it is done
 */
record SaeUpdate(SaeWeights weights, double clip, double rate, int step, Consumer<StepPart> mark) {
  private static final double BETA1 = 0.9;
  private static final double BETA2 = 0.999;
  private static final double EPS = 1e-8;

  /** Updates by the gradients of a sparse code. */
  void sparse(StepInput input, Backward back) {
    SparseCode code = back.code();
    int features = (int) weights.decoder().value().size(0);
    int width = (int) weights.decoder().value().size(1);
    SparseRows.ByColumn order = code.sparse(features).byColumn();
    SparseRows.ByColumn inputs = order;
    if (code.rows() > input.rows()) {
      int[] rows = order.row().clone();
      for (int i = 0; i < rows.length; i++) rows[i] %= input.rows();
      inputs = new SparseRows.ByColumn(order.starts(), order.entry(), rows);
    }
    mark.accept(StepPart.SORT);
    List<Tensor> biases =
        biasGradients(byFeature(order, back.codeGradient(), features), back.toBias());
    if (weights.logThresholds() != null) biases.add(toLogs(back.toThresholds()));
    mark.accept(StepPart.REST);
    SparseKernels kernels = SparseKernels.best();
    var toEncoder =
        new SparseKernels.SparseGradient(
            inputs, back.codeGradient().segment(), input.centred().segment(), width);
    var toDecoder =
        new SparseKernels.SparseGradient(
            order, code.values().segment(), back.rows().segment(), width);
    double scale = 1;
    if (clip > 0) {
      double squares =
          kernels.gradientSquares(toEncoder, null)
              + kernels.gradientSquares(toDecoder, weights.decoder().value().segment());
      scale = clipping(squares, biases);
    }
    var adam = adam(scale);
    kernels.adam(toEncoder, weights.encoder().moments(), adam, false);
    kernels.adam(toDecoder, weights.decoder().moments(), adam, true);
    mark.accept(StepPart.ADAM);
    updateBiases(biases, adam);
  }

  /** Updates by dense gradients, by tensor operations alone. */
  void dense(DenseGradients back) {
    AdamWeights decoder = weights.decoder();
    Tensor toDecoder = back.toDecoder();
    Tensor along = toDecoder.mul(decoder.value()).sum(1, true, DType.F32);
    toDecoder.subInPlace(decoder.value().mul(along));
    List<Tensor> biases = biasGradients(back.toEncoderBias(), back.toBias());
    AdamWeights logs = weights.logThresholds();
    if (logs != null && back.toThresholds() != null) {
      // dL/dlog θ = dL/dθ · θ
      biases.add(back.toThresholds().mul(logs.value().exp()));
    }
    List<Tensor> all = new ArrayList<>(List.of(back.toEncoder(), toDecoder));
    all.addAll(biases);
    var adam = adam(clip > 0 ? clipping(0, all) : 1);
    weights.encoder().update(back.toEncoder(), adam);
    decoder.update(toDecoder, adam);
    decoder.value().copyFrom(decoder.value().unit());
    mark.accept(StepPart.ADAM);
    updateBiases(biases, adam);
  }

  private SparseKernels.Adam adam(double scale) {
    return new SparseKernels.Adam(rate, BETA1, BETA2, EPS, step, scale);
  }

  /** Gradients of b_enc and of b_dec, which is also subtracted before the encoder. */
  private List<Tensor> biasGradients(Tensor toEncoderBias, Tensor toBias) {
    Tensor encoder = weights.encoder().value();
    Tensor throughEncoder =
        toEncoderBias.reshape(1, encoder.size(0)).matmul(encoder).reshape(encoder.size(1));
    return new ArrayList<>(List.of(toEncoderBias, toBias.sub(throughEncoder)));
  }

  /** Gradients of the thresholds' logarithms: dL/dθ · θ. */
  private Tensor toLogs(double[] toThresholds) {
    float[] logs = new float[toThresholds.length];
    float[] thresholds = weights.thresholds();
    for (int f = 0; f < logs.length; f++) logs[f] = (float) (toThresholds[f] * thresholds[f]);
    return Tensor.of(logs, logs.length);
  }

  /** Factor that brings the gradient's norm to at most {@code clip}. */
  private double clipping(double squares, List<Tensor> others) {
    double all = squares;
    for (Tensor other : others) all += other.mul(other).sum(DType.F64).item();
    double norm = Math.sqrt(all);
    return norm > clip ? clip / norm : 1;
  }

  private void updateBiases(List<Tensor> gradients, SparseKernels.Adam adam) {
    weights.encoderBias().update(gradients.get(0), adam);
    weights.decoderBias().update(gradients.get(1), adam);
    AdamWeights logThresholds = weights.logThresholds();
    if (logThresholds != null) logThresholds.update(gradients.get(2), adam);
    weights.updateShortEncoder();
    mark.accept(StepPart.REST);
  }

  /** Sums of entries over tokens, [f]. */
  private static Tensor byFeature(SparseRows.ByColumn order, Tensor entries, int features) {
    float[] summands = entries.toFloats();
    float[] sums = new float[features];
    for (int feature = 0; feature < features; feature++) {
      double sum = 0;
      for (int at = order.starts()[feature]; at < order.starts()[feature + 1]; at++) {
        sum += summands[order.entry()[at]];
      }
      sums[feature] = (float) sum;
    }
    return Tensor.of(sums, features);
  }
}
