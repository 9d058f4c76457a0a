// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae.train;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A batch's gradients by dense products, from tensor operations alone, so that they can be computed
 * on any device. They equal the sparse path's ({@link Backward}), are faster while many features
 * are active, and also reach inactive features, which ghost gradients need.
 *
 * @param loss before the update, F64 []
 * @param toEncoder dL/dW_enc by features, [f,d]
 * @param toDecoder dL/dW_dec, [f,d]
 * @param toEncoderBias dL/db_enc, [f]
 * @param toBias dL/db_dec through the decoder, [d]
 * @param toThresholds dL/dθ of JumpReLU's thresholds, [f]; null for other variants
 * @param errors ẑ − z, [n,d]
 * @param counts number of tokens on which each feature is active, I64 [f]
 */
record DenseGradients(
    Tensor loss,
    Tensor toEncoder,
    Tensor toDecoder,
    Tensor toEncoderBias,
    Tensor toBias,
    @Nullable Tensor toThresholds,
    Tensor errors,
    Tensor counts) {

  /** All zero. */
  static DenseGradients zeros(SaeWeights weights, StepInput input) {
    Tensor encoder = weights.encoder().value();
    Device device = encoder.device();
    long features = encoder.size(0);
    boolean jump = weights.logThresholds() != null;
    return new DenseGradients(
        Tensor.zeros(DType.F64, device),
        Tensor.zeros(DType.F32, device, encoder.shape()),
        Tensor.zeros(DType.F32, device, encoder.shape()),
        Tensor.zeros(DType.F32, device, features),
        Tensor.zeros(DType.F32, device, encoder.size(1)),
        jump ? Tensor.zeros(DType.F32, device, features) : null,
        Tensor.zeros(DType.F32, device, input.z().shape()),
        Tensor.zeros(DType.I64, device, features));
  }

  /**
   * Adds some rows of the batch. Each group of features reconstructs what the groups before it
   * leave over; the loss is the groups' mean.
   *
   * @param part these rows
   * @param at the first of them
   * @param code their code, [rows,f]
   * @param bounds one past the last feature of each group, ascending to f
   */
  void add(SaeWeights weights, StepInput part, long at, Tensor code, int[] bounds) {
    add(weights, part, at, code, bounds, 0, null);
  }

  /** The same with one group and a {@code penalty}: the loss per unit of activation. */
  void addPenalised(SaeWeights weights, StepInput part, long at, Tensor code, double penalty) {
    add(weights, part, at, code, new int[] {(int) code.size(1)}, penalty, null);
  }

  /** The same with one group and JumpReLU's thresholds. */
  void addJump(SaeWeights weights, StepInput part, long at, Tensor code, Window window) {
    add(weights, part, at, code, new int[] {(int) code.size(1)}, 0, window);
  }

  private void add(
      SaeWeights weights,
      StepInput part,
      long at,
      Tensor code,
      int[] bounds,
      double penalty,
      @Nullable Window window) {
    Tensor decoder = weights.decoder().value();
    int groups = bounds.length;
    List<Tensor> gradients = new ArrayList<>();
    Tensor error = part.z().mul(-1).addInPlace(weights.decoderBias().value());
    for (int g = 0; g < groups; g++) {
      error = error.add(columns(code, bounds, g).matmul(rows(decoder, bounds, g)));
      Tensor gradient = error.mul(part.scales()).mulInPlace(1.0 / groups);
      loss.addInPlace(error.mul(gradient).sum(DType.F64), 0.5);
      gradients.add(gradient);
    }
    errors.narrow(0, at, part.rows()).copyFrom(error);
    if (penalty != 0) loss.addInPlace(code.sum(DType.F64), penalty);
    // A group contributes to its own reconstruction and to all larger ones.
    for (int g = groups - 2; g >= 0; g--) gradients.get(g).addInPlace(gradients.get(g + 1));
    for (int g = 0; g < groups; g++) {
      Tensor gradient = gradients.get(g);
      Tensor own = columns(code, bounds, g);
      Tensor back = gradient.matmul(rows(decoder, bounds, g).transpose(0, 1));
      if (window != null && toThresholds != null) window.addTo(this, back);
      if (penalty != 0) back.addInPlace(penalty);
      back = back.whereAboveZero(own);
      rows(toDecoder, bounds, g).addInPlace(own.transpose(0, 1).matmul(gradient));
      rows(toEncoder, bounds, g).addInPlace(back.transpose(0, 1).matmul(part.centred()));
      rows(toEncoderBias, bounds, g).addInPlace(back.sum(0, false, DType.F32));
    }
    toBias.addInPlace(gradients.getFirst().sum(0, false, DType.F32));
    counts.addInPlace(code.isAboveZero().sum(0, false, DType.I64));
  }

  private static Tensor columns(Tensor all, int[] bounds, int g) {
    return group(all, 1, bounds, g);
  }

  private static Tensor rows(Tensor all, int[] bounds, int g) {
    return group(all, 0, bounds, g);
  }

  private static Tensor group(Tensor all, int dim, int[] bounds, int g) {
    if (bounds.length == 1) return all;
    int low = g == 0 ? 0 : bounds[g - 1];
    return all.narrow(dim, low, bounds[g] - low);
  }

  /**
   * JumpReLU's entries near their thresholds, whose gradients are nonzero there (a rectangular
   * kernel; Rajamanoharan et al. 2024, equations 11 and 12).
   *
   * @param off pre-activations minus thresholds, [rows,f]
   * @param thresholds [f]
   * @param bandwidth width of the window
   * @param perActive loss per active feature of a token
   */
  record Window(Tensor off, Tensor thresholds, double bandwidth, double perActive) {
    private void addTo(DenseGradients sums, Tensor back) {
      sums.loss.addInPlace(off.isAboveZero().sum(DType.F64), perActive);
      Tensor inside = off.mul(off).mulInPlace(-1).addInPlace(bandwidth * bandwidth / 4);
      Tensor through = back.whereAboveZero(inside).sum(0, false, DType.F32).mulInPlace(thresholds);
      through.addInPlace(inside.isAboveZero().sum(0, false, DType.F32), perActive);
      if (sums.toThresholds != null) sums.toThresholds.addInPlace(through, -1 / bandwidth);
    }
  }

  /**
   * Adds AuxK's loss for some rows: the k largest dead features reconstruct their error.
   *
   * @param part these rows
   * @param at the first of them
   * @param dead feature numbers, I64 on the weights' device
   */
  void addAuxK(
      SaeWeights weights, StepInput part, long at, Tensor dead, DenseBatch.Revival revival) {
    Tensor readers = weights.encoder().value().indexSelect(0, dead);
    Tensor writers = weights.decoder().value().indexSelect(0, dead);
    Tensor biases = weights.encoderBias().value().indexSelect(0, dead);
    Tensor pre = part.centred().linear(readers, biases);
    Tensor code = pre.whereAtLeast(pre.largest(revival.k())).reluInPlace();
    Tensor miss = code.matmul(writers).addInPlace(errors.narrow(0, at, part.rows()));
    Tensor gradient = miss.mul(part.scales()).mulInPlace(revival.weight());
    loss.addInPlace(miss.mul(gradient).sum(DType.F64), 0.5);
    Tensor back = gradient.matmul(writers.transpose(0, 1)).whereAboveZero(code);
    addRows(dead, code, gradient, back, part.centred());
  }

  /**
   * Adds the paper's ghost gradients for some rows: dead features, by exp of their pre-activations,
   * explain the remaining error, scaled to half its length. That loss is weighted, entry by entry,
   * to be as large as the reconstruction's (after ViT-Prisma's {@code
   * _compute_ghost_residual_loss}).
   *
   * @param part these rows
   * @param at the first of them
   * @param dead feature numbers, I64 on the weights' device
   * @param ghosts of the whole batch
   */
  void addGhosts(SaeWeights weights, StepInput part, long at, Tensor dead, Ghosts ghosts) {
    Tensor readers = weights.encoder().value().indexSelect(0, dead);
    Tensor writers = weights.decoder().value().indexSelect(0, dead);
    Tensor biases = weights.encoderBias().value().indexSelect(0, dead);
    Tensor left = ghosts.rest.narrow(0, at, part.rows());
    Tensor away = ghosts.away.narrow(0, at, part.rows());
    Tensor code = part.centred().linear(readers, biases).exp();
    Tensor decoded = code.matmul(writers);
    Tensor half = left.norm(1).divInPlace(decoded.norm(1).mulInPlace(2).addInPlace(1e-6));
    Tensor miss = decoded.mul(half).subInPlace(left);
    Tensor each = miss.mul(miss).divInPlace(away);
    Tensor weight = each.mul(0).addInPlace(ghosts.meanLoss);
    weight.divInPlace(each.mul(1).addInPlace(1e-6));
    loss.addInPlace(weight.mul(each).sum(DType.F64));
    Tensor gradient = miss.mul(weight).mulInPlace(half).mulInPlace(2).divInPlace(away);
    Tensor back = gradient.matmul(writers.transpose(0, 1)).mulInPlace(code);
    addRows(dead, code, gradient, back, part.centred());
  }

  private void addRows(Tensor dead, Tensor code, Tensor gradient, Tensor back, Tensor centred) {
    toDecoder.addRowsInPlace(dead, code.transpose(0, 1).matmul(gradient));
    toEncoder.addRowsInPlace(dead, back.transpose(0, 1).matmul(centred));
    toEncoderBias.addRowsInPlace(dead, back.sum(0, false, DType.F32));
  }

  /**
   * What ghost gradients need of the whole batch.
   *
   * @param rest what the reconstruction leaves over, in units of x: [n,d]
   * @param away its distance from its mean, [n,1]
   * @param meanLoss of the reconstruction, an entry
   */
  record Ghosts(Tensor rest, Tensor away, Tensor meanLoss) {}

  /** The batch's {@link Ghosts}. */
  Ghosts ghosts(StepInput input) {
    Tensor rest = errors.mul(input.sigma()).mulInPlace(-1);
    Tensor away = rest.sub(rest.mean(0, true)).norm(1);
    Tensor loss = errors.mul(errors).mulInPlace(input.scales()).sum(DType.F64);
    return new Ghosts(rest, away, loss.mulInPlace(0.5 / rest.elements()).to(DType.F32));
  }
}
