// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae.train;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.sae.SparseCode;

/**
 * A ReLU SAE's gradients by dense products. They equal the sparse path's, are faster while many
 * features are active, and also reach inactive features, which ghost gradients need.
 *
 * @param loss before the update
 * @param toEncoder dL/dW_enc by features, [f,d]
 * @param toDecoder dL/dW_dec, [f,d]
 * @param toEncoderBias dL/db_enc, [f]
 * @param toBias dL/db_dec through the decoder, [d]
 * @param errors ẑ − z, [n,d]
 * @param entries number of activations above 0
 * @param active whether each feature is active on some token
 */
record DenseRelu(
    double loss,
    Tensor toEncoder,
    Tensor toDecoder,
    Tensor toEncoderBias,
    Tensor toBias,
    Tensor errors,
    long entries,
    boolean[] active) {

  /**
   * Loss and gradients of a batch.
   *
   * @param piece rows at a time, which bounds the memory
   * @param penalty loss per unit of activation
   */
  static DenseRelu of(SaeWeights weights, StepInput input, long piece, double penalty) {
    Tensor z = input.z();
    Tensor encoder = weights.encoder().value();
    Tensor decoder = weights.decoder().value();
    int n = input.rows();
    int features = (int) encoder.size(0);
    Tensor toEncoder = Tensor.zeros(DType.F32, encoder.shape());
    Tensor toDecoder = Tensor.zeros(DType.F32, decoder.shape());
    Tensor toEncoderBias = Tensor.zeros(DType.F32, features);
    Tensor toBias = Tensor.zeros(DType.F32, z.size(1));
    Tensor errors = Tensor.empty(DType.F32, z.shape());
    Tensor zeros = Tensor.zeros(DType.F32, features);
    double loss = 0;
    long entries = 0;
    boolean[] active = new boolean[features];
    for (long at = 0; at < n; at += piece) {
      try (Scope scope = Scope.open()) {
        long rows = Math.min(piece, n - at);
        Tensor centred = input.centred().narrow(0, at, rows);
        Tensor code = centred.linear(encoder, weights.encoderBias().value()).reluInPlace();
        Tensor error =
            code.matmul(decoder)
                .addInPlace(weights.decoderBias().value())
                .subInPlace(z.narrow(0, at, rows));
        errors.narrow(0, at, rows).copyFrom(error);
        Tensor gradient = error.mul(input.scales().narrow(0, at, rows));
        loss += 0.5 * error.mul(gradient).sum(DType.F64).item();
        loss += penalty * code.sum(DType.F64).item();
        Tensor back =
            gradient.matmul(decoder.transpose(0, 1)).addInPlace(penalty).whereAboveZero(code);
        toDecoder.addInPlace(code.transpose(0, 1).matmul(gradient));
        toEncoder.addInPlace(back.transpose(0, 1).matmul(centred));
        toEncoderBias.addInPlace(back.sum(0, false, DType.F32));
        toBias.addInPlace(gradient.sum(0, false, DType.F32));
        entries += SparseCode.above(code, zeros).entries();
        float[] sums = code.sum(0, false, DType.F32).toFloats();
        for (int f = 0; f < features; f++) active[f] |= sums[f] > 0;
      }
    }
    return new DenseRelu(
        loss, toEncoder, toDecoder, toEncoderBias, toBias, errors, entries, active);
  }

  /**
   * Adds the paper's ghost gradients: dead features, by exp of their pre-activations, explain the
   * remaining error, scaled to half its length. That loss is weighted, entry by entry, to be as
   * large as the reconstruction's (after ViT-Prisma's {@code _compute_ghost_residual_loss}).
   *
   * @param dead feature numbers, at least one
   * @param piece rows at a time
   */
  DenseRelu withGhosts(SaeWeights weights, StepInput input, long[] dead, long piece) {
    double reconstruction =
        0.5 * errors.mul(errors).mulInPlace(input.scales()).sum(DType.F64).item();
    Tensor numbers = Tensor.of(dead, dead.length);
    Tensor readers = weights.encoder().value().indexSelect(0, numbers);
    Tensor biases = weights.encoderBias().value().indexSelect(0, numbers);
    Tensor writers = weights.decoder().value().indexSelect(0, numbers);
    Tensor rest = errors.mul(input.sigma()).mulInPlace(-1);
    Tensor away = rest.sub(rest.mean(0, true)).norm(1);
    Tensor toReaders = Tensor.zeros(DType.F32, readers.shape());
    Tensor toWriters = Tensor.zeros(DType.F32, writers.shape());
    Tensor toBiases = Tensor.zeros(DType.F32, biases.shape());
    double elements = rest.elements();
    double ghosts = 0;
    for (long at = 0; at < rest.size(0); at += piece) {
      try (Scope scope = Scope.open()) {
        long rows = Math.min(piece, rest.size(0) - at);
        Tensor centred = input.centred().narrow(0, at, rows);
        Tensor left = rest.narrow(0, at, rows);
        Tensor code = centred.linear(readers, biases).exp();
        Tensor decoded = code.matmul(writers);
        Tensor half = left.norm(1).divInPlace(decoded.norm(1).mulInPlace(2).addInPlace(1e-6));
        Tensor miss = decoded.mul(half).subInPlace(left);
        Tensor each = miss.mul(miss).divInPlace(away.narrow(0, at, rows));
        Tensor weight = Tensor.zeros(DType.F32, each.shape()).addInPlace(reconstruction / elements);
        weight.divInPlace(each.mul(1).addInPlace(1e-6));
        ghosts += weight.mul(each).sum(DType.F64).item();
        Tensor gradient =
            miss.mul(weight).mulInPlace(half).mulInPlace(2).divInPlace(away.narrow(0, at, rows));
        toWriters.addInPlace(code.transpose(0, 1).matmul(gradient));
        Tensor back = gradient.matmul(writers.transpose(0, 1)).mulInPlace(code);
        toReaders.addInPlace(back.transpose(0, 1).matmul(centred));
        toBiases.addInPlace(back.sum(0, false, DType.F32));
      }
    }
    toEncoder.addRowsInPlace(numbers, toReaders);
    toDecoder.addRowsInPlace(numbers, toWriters);
    toEncoderBias.addRowsInPlace(numbers, toBiases);
    return new DenseRelu(
        loss + ghosts, toEncoder, toDecoder, toEncoderBias, toBias, errors, entries, active);
  }
}
