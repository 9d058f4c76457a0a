// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Tensor;
import io.clipsteer.kernels.Quickselect;
import io.clipsteer.kernels.RowKernels;
import io.clipsteer.kernels.SparseKernels;
import io.clipsteer.kernels.SparseRows;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Encodes centred activations for training: the dense product in pieces that bound the memory, and
 * the entries of it that are active.
 *
 * @param encoder by features, F32 [f,d]
 * @param bias F32 [f]
 * @param shortEncoder its BF16 copy, whose product only proposes candidates; null for none
 * @param mark receives each part of the work when it is done
 */
public record Selector(
    Tensor encoder, Tensor bias, @Nullable Tensor shortEncoder, Consumer<StepPart> mark) {
  private int features() {
    return (int) encoder.size(0);
  }

  /** Rows per piece. */
  public long piece() {
    return SparseCode.piece(features(), shortEncoder == null ? 4 : 2);
  }

  private Tensor product(Tensor input) {
    Tensor pre = input.linear(encoder, bias);
    mark.accept(StepPart.PRODUCT);
    return pre;
  }

  /** The k largest of each token; negative ones become 0. */
  public SparseCode topK(Tensor centred, int k) {
    @Nullable Tensor shorts = shortEncoder;
    SparseCode code =
        SparseCode.inPieces(
            centred,
            piece(),
            input -> {
              if (shorts != null) return topKOfShort(input, shorts, k);
              SparseCode piece = SparseCode.topK(product(input), k);
              mark.accept(StepPart.SELECT);
              return piece;
            });
    code.values().reluInPlace();
    return code;
  }

  private SparseCode topKOfShort(Tensor input, Tensor weights, int k) {
    int rows = Math.toIntExact(input.size(0));
    int candidates = Math.min(features(), k + Math.max(16, k / 2));
    Tensor pre = input.to(DType.BF16).linear(weights, bias.to(DType.BF16)).contiguous();
    mark.accept(StepPart.PRODUCT);
    Tensor columns = Tensor.empty(DType.I32, rows, candidates);
    RowKernels.topColumnsBf16(pre.segment(), rows, features(), candidates, columns.segment());
    mark.accept(StepPart.SELECT);
    Tensor exact = Tensor.empty(DType.F32, rows, candidates);
    SparseKernels.best()
        .rescore(
            input.segment(),
            SparseRows.uniform(rows, candidates, features(), columns.segment(), exact.segment()),
            new SparseKernels.Affine(encoder.segment(), bias.segment(), (int) input.size(1)));
    mark.accept(StepPart.RESCORE);
    // Candidates are in ascending order of column, and so are the best among them.
    Tensor places = Tensor.empty(DType.I32, rows, k);
    Tensor values = Tensor.empty(DType.F32, rows, k);
    RowKernels.topK(exact.segment(), rows, candidates, k, values.segment(), places.segment());
    Tensor indices = columns.gather(1, places.to(DType.I64)).contiguous();
    mark.accept(StepPart.SELECT);
    return SparseCode.uniform(rows, k, indices, values);
  }

  /**
   * Entries above their feature's bound.
   *
   * @param bounds F32 [f]
   */
  public SparseCode above(Tensor centred, Tensor bounds) {
    return SparseCode.inPieces(
        centred,
        piece(),
        input -> {
          SparseCode piece = SparseCode.above(product(input), bounds);
          mark.accept(StepPart.SELECT);
          return piece;
        });
  }

  /** A code and the smallest entry in it. */
  public record Cut(SparseCode code, float least) {}

  /**
   * The {@code count} largest positive entries of the whole batch.
   *
   * @param guess a number, at least 0, expected to be below the smallest of them; a wrong guess
   *     only costs time
   */
  public Cut largest(Tensor centred, int count, float guess) {
    Tensor bounds = Tensor.zeros(DType.F32, features()).addInPlace(guess);
    SparseCode all = above(centred, bounds);
    if (all.entries() < count && guess > 0) return largest(centred, count, 0);
    float[] values = all.values().toFloats();
    if (values.length <= count) {
      float least = Float.POSITIVE_INFINITY;
      for (float value : values) least = Math.min(least, value);
      return new Cut(all, values.length == 0 ? 0 : least);
    }
    float least = Quickselect.largest(values.clone(), count);
    int ties = count;
    for (float value : values) if (value > least) ties--;
    // Among equal entries the first ones stay.
    long[] indices = all.indices().to(DType.I64).toLongs();
    long[] keptIndices = new long[count];
    float[] kept = new float[count];
    int[] starts = new int[all.rows() + 1];
    int at = 0;
    for (int row = 0; row < all.rows(); row++) {
      for (int e = all.starts()[row]; e < all.starts()[row + 1]; e++) {
        if (values[e] < least || values[e] == least && ties-- <= 0) continue;
        keptIndices[at] = indices[e];
        kept[at++] = values[e];
      }
      starts[row + 1] = at;
    }
    mark.accept(StepPart.SELECT);
    return new Cut(
        new SparseCode(starts, Tensor.of(keptIndices, count).to(DType.I32), Tensor.of(kept, count)),
        least);
  }

  /** The k largest among a few features, for AuxK; negative ones become 0. */
  public SparseCode topKOf(Tensor centred, long[] few, int k) {
    Tensor numbers = Tensor.of(few, few.length);
    Tensor pre = centred.linear(encoder.indexSelect(0, numbers), bias.indexSelect(0, numbers));
    SparseCode local = SparseCode.topK(pre, k);
    Tensor indices = numbers.indexSelect(0, local.indices().to(DType.I64)).to(DType.I32);
    return new SparseCode(local.starts(), indices, local.values().reluInPlace());
  }
}
