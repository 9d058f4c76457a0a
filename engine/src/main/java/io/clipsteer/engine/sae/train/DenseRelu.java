// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae.train;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.sae.SparseCode;

/**
 * A ReLU SAE's gradients by dense products: the same numbers as the sparse path, faster while many
 * features are active, and needed where features that are not active shall learn (ghost gradients).
 *
 * @param loss before the update
 * @param toEncoder [f,d], by features
 * @param toDecoder [f,d]
 * @param toEncoderBias [f]
 * @param toBias dL/db_dec through the decoder: [d]
 * @param errors ẑ − z, [n,d]
 * @param active entries above 0
 * @param seen features with one
 */
record DenseRelu(
    double loss,
    Tensor toEncoder,
    Tensor toDecoder,
    Tensor toEncoderBias,
    Tensor toBias,
    Tensor errors,
    long active,
    boolean[] seen) {

  /**
   * Follows the loss back.
   *
   * @param piece rows at a time, which bounds the memory
   * @param encoder by features, [f,d]
   * @param z [n,d]
   * @param centred z less b_dec
   * @param scales dL/dẑ for an error of 1: [n,1]
   * @param penalty loss for each unit of activation
   */
  static DenseRelu of(
      long piece,
      Tensor encoder,
      Tensor encoderBias,
      Tensor decoder,
      Tensor decoderBias,
      Tensor z,
      Tensor centred,
      Tensor scales,
      double penalty) {
    int n = Math.toIntExact(z.size(0));
    int features = (int) encoder.size(0);
    Tensor toEncoder = Tensor.zeros(DType.F32, encoder.shape());
    Tensor toDecoder = Tensor.zeros(DType.F32, decoder.shape());
    Tensor toEncoderBias = Tensor.zeros(DType.F32, features);
    Tensor toBias = Tensor.zeros(DType.F32, z.size(1));
    Tensor errors = Tensor.empty(DType.F32, z.shape());
    Tensor zeros = Tensor.zeros(DType.F32, features);
    double loss = 0;
    long active = 0;
    boolean[] seen = new boolean[features];
    for (long at = 0; at < n; at += piece) {
      try (Scope scope = Scope.open()) {
        long rows = Math.min(piece, n - at);
        Tensor input = centred.narrow(0, at, rows);
        Tensor code = input.linear(encoder, encoderBias).reluInPlace();
        Tensor error =
            code.matmul(decoder).addInPlace(decoderBias).subInPlace(z.narrow(0, at, rows));
        errors.narrow(0, at, rows).copyFrom(error);
        Tensor gradient = error.mul(scales.narrow(0, at, rows));
        loss += 0.5 * error.mul(gradient).sum(DType.F64).item();
        loss += penalty * code.sum(DType.F64).item();
        Tensor back =
            gradient.matmul(decoder.transpose(0, 1)).addInPlace(penalty).whereAboveZero(code);
        toDecoder.addInPlace(code.transpose(0, 1).matmul(gradient));
        toEncoder.addInPlace(back.transpose(0, 1).matmul(input));
        toEncoderBias.addInPlace(back.sum(0, false, DType.F32));
        toBias.addInPlace(gradient.sum(0, false, DType.F32));
        active += SparseCode.above(code, zeros).entries();
        float[] sums = code.sum(0, false, DType.F32).toFloats();
        for (int f = 0; f < features; f++) seen[f] |= sums[f] > 0;
      }
    }
    return new DenseRelu(loss, toEncoder, toDecoder, toEncoderBias, toBias, errors, active, seen);
  }

  /**
   * With the paper's ghost gradients added: dead features, by exp of their pre-activations, explain
   * what is left over, brought to half its length; that loss is weighed, entry by entry, to be as
   * large as the reconstruction's (after ViT-Prisma's {@code _compute_ghost_residual_loss}).
   *
   * @param dead feature numbers, at least one
   * @param sigma what errors are multiplied by to be in the units of x: [n,1]
   * @param reconstruction the loss without sparsity
   */
  DenseRelu withGhosts(
      long[] dead,
      long piece,
      Tensor encoder,
      Tensor encoderBias,
      Tensor decoder,
      Tensor centred,
      Tensor sigma,
      double reconstruction) {
    Tensor numbers = Tensor.of(dead, dead.length);
    Tensor readers = encoder.indexSelect(0, numbers);
    Tensor biases = encoderBias.indexSelect(0, numbers);
    Tensor writers = decoder.indexSelect(0, numbers);
    Tensor rest = errors.mul(sigma).mulInPlace(-1);
    Tensor away = rest.sub(rest.mean(0, true)).norm(1);
    Tensor toReaders = Tensor.zeros(DType.F32, readers.shape());
    Tensor toWriters = Tensor.zeros(DType.F32, writers.shape());
    Tensor toBiases = Tensor.zeros(DType.F32, biases.shape());
    double entries = rest.elements();
    double ghosts = 0;
    for (long at = 0; at < rest.size(0); at += piece) {
      try (Scope scope = Scope.open()) {
        long rows = Math.min(piece, rest.size(0) - at);
        Tensor input = centred.narrow(0, at, rows);
        Tensor left = rest.narrow(0, at, rows);
        Tensor code = input.linear(readers, biases).exp();
        Tensor given = code.matmul(writers);
        Tensor half = left.norm(1).divInPlace(given.norm(1).mulInPlace(2).addInPlace(1e-6));
        Tensor miss = given.mul(half).subInPlace(left);
        Tensor each = miss.mul(miss).divInPlace(away.narrow(0, at, rows));
        Tensor weight = Tensor.zeros(DType.F32, each.shape()).addInPlace(reconstruction / entries);
        weight.divInPlace(each.mul(1).addInPlace(1e-6));
        ghosts += weight.mul(each).sum(DType.F64).item();
        Tensor gradient =
            miss.mul(weight).mulInPlace(half).mulInPlace(2).divInPlace(away.narrow(0, at, rows));
        toWriters.addInPlace(code.transpose(0, 1).matmul(gradient));
        Tensor back = gradient.matmul(writers.transpose(0, 1)).mulInPlace(code);
        toReaders.addInPlace(back.transpose(0, 1).matmul(input));
        toBiases.addInPlace(back.sum(0, false, DType.F32));
      }
    }
    toEncoder.addRowsInPlace(numbers, toReaders);
    toDecoder.addRowsInPlace(numbers, toWriters);
    toEncoderBias.addRowsInPlace(numbers, toBiases);
    return new DenseRelu(
        loss + ghosts, toEncoder, toDecoder, toEncoderBias, toBias, errors, active, seen);
  }
}
