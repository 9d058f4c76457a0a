// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae.train;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A batch whose gradients are computed by dense products, some rows at a time, which bounds the
 * memory.
 *
 * @param piece rows at a time
 * @param cut smallest entry of BatchTopK's and Matryoshka's code, F32 [1]; null for other variants
 */
record DenseBatch(
    SaeTrainer.Config config,
    SaeWeights weights,
    StepInput input,
    long piece,
    @Nullable Tensor cut) {

  static DenseBatch of(SaeTrainer.Config config, SaeWeights weights, StepInput input, long piece) {
    var batch = new DenseBatch(config, weights, input, piece, null);
    return switch (config.variant()) {
      case SaeVariant.BatchTopK top ->
          new DenseBatch(config, weights, input, piece, batch.least((long) input.rows() * top.k()));
      case SaeVariant.Matryoshka top ->
          new DenseBatch(config, weights, input, piece, batch.least((long) input.rows() * top.k()));
      case SaeVariant.TopK top -> batch;
      case SaeVariant.Relu relu -> batch;
      case SaeVariant.JumpRelu jump -> batch;
    };
  }

  private StepInput part(long at) {
    return input.narrow(at, Math.min(piece, input.rows() - at));
  }

  private Tensor preActivations(StepInput part) {
    return part.centred().linear(weights.encoder().value(), weights.encoderBias().value());
  }

  /** The smallest of the {@code count} largest positive pre-activations; 0 where none is. */
  private Tensor least(long count) {
    try (Scope scope = Scope.open()) {
      List<Tensor> largest = new ArrayList<>();
      for (long at = 0; at < input.rows(); at += piece) {
        try (Scope own = Scope.open()) {
          Tensor pre = preActivations(part(at));
          largest.add(own.keep(pre.topK(Math.min(count, pre.elements()))));
        }
      }
      Tensor all = Tensor.concat(largest, 0).topK(count).reluInPlace();
      long positive = (long) all.isAboveZero().sum(DType.I64).item();
      return scope.keep(all.narrow(0, Math.max(0, positive - 1), 1).copy());
    }
  }

  /**
   * Loss and gradients without the dead features' help.
   *
   * @param sparsity factor of the variant's penalty
   */
  DenseGradients gradients(double sparsity) {
    DenseGradients sums = DenseGradients.zeros(weights, input);
    inPieces((part, at) -> add(sums, part, at, sparsity));
    return sums;
  }

  /**
   * Adds the loss and gradients by which dead features come back: AuxK's, or ghost gradients.
   *
   * @param dead feature numbers, in ascending order
   */
  void revive(DenseGradients sums, long[] dead) {
    if (dead.length == 0) return;
    Tensor numbers = Tensor.of(dead, dead.length).to(config.device());
    if (config.variant().aux() > 0) {
      Revival revival = Revival.of(config, dead.length);
      inPieces((part, at) -> sums.addAuxK(weights, part, at, numbers, revival));
    } else if (config.variant() instanceof SaeVariant.Relu relu && relu.ghost()) {
      DenseGradients.Ghosts ghosts = sums.ghosts(input);
      inPieces((part, at) -> sums.addGhosts(weights, part, at, numbers, ghosts));
    }
  }

  /**
   * AuxK's part of the loss.
   *
   * @param k dead features of a token that explain its error
   * @param weight of that loss
   */
  record Revival(int k, double weight) {
    static Revival of(SaeTrainer.Config config, int dead) {
      int half = Math.max(1, config.width() / 2);
      double share = Math.min(1, dead / Math.max(1.0, config.width() / 2.0));
      return new Revival(Math.min(dead, half), config.variant().aux() * share);
    }
  }

  private interface PieceWork {
    void on(StepInput part, long at);
  }

  private void inPieces(PieceWork work) {
    for (long at = 0; at < input.rows(); at += piece) {
      try (Scope scope = Scope.open()) {
        work.on(part(at), at);
      }
    }
  }

  private void add(DenseGradients sums, StepInput part, long at, double sparsity) {
    int n = input.rows();
    int[] one = {config.features()};
    Tensor pre = preActivations(part);
    switch (config.variant()) {
      case SaeVariant.TopK top ->
          sums.add(weights, part, at, pre.whereAtLeast(pre.largest(top.k())).reluInPlace(), one);
      case SaeVariant.BatchTopK top -> sums.add(weights, part, at, aboveCut(pre), one);
      case SaeVariant.Matryoshka top ->
          sums.add(weights, part, at, aboveCut(pre), top.bounds(config.features()));
      case SaeVariant.Relu relu ->
          sums.addPenalised(weights, part, at, pre.reluInPlace(), relu.l1() * sparsity / n);
      case SaeVariant.JumpRelu jump -> {
        if (weights.logThresholds() == null) throw new IllegalStateException("no thresholds");
        Tensor thresholds = weights.logThresholds().value().exp();
        Tensor off = pre.sub(thresholds);
        var window =
            new DenseGradients.Window(off, thresholds, jump.bandwidth(), jump.l0() * sparsity / n);
        sums.addJump(weights, part, at, pre.whereAboveZero(off), window);
      }
    }
  }

  private Tensor aboveCut(Tensor pre) {
    if (cut == null) throw new IllegalStateException("no cut");
    return pre.whereAtLeast(cut).reluInPlace();
  }
}
