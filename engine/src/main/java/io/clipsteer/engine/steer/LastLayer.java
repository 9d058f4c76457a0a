// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.steer;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.AnswerHead;
import io.clipsteer.engine.model.ReadOut;
import io.clipsteer.kernels.SteerKernels;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;

/**
 * Edits after the last block in closed form. Only the class token's norm and the projection follow,
 * so with x centred, r² = var(x') + eps and {@code e' = W(gain·x'/r + shift) + bias}: {@code r·e' =
 * u_x + s·u_d + r·c}, three vectors, one per image, per direction and for the model, each projected
 * once. The logits are {@code scale/‖r·e'‖ · (T·u_x + r·T·c + s·T·u_d)}, and r and ‖r·e'‖ follow
 * from scalar products. A (direction, image) pair then costs a few operations per word. The
 * directions' logits and the sweep over words are float32, the rest is float64. A head on the
 * pooled token has neither projection nor length: its logits are those above with r for ‖r·e'‖, and
 * its bias is added to T·c.
 */
public final class LastLayer implements Sweep {
  /** Size of the logits of a block of directions. */
  private static final long BLOCK_BYTES = 32L << 20;

  private final ReadOut readOut;
  private final double scale;
  private final boolean unit;
  private final int images;
  private final int words;
  private final Tensor residuals;
  private final Tensor centred;
  private final Tensor projected;
  private final Tensor common;
  private final Tensor texts;
  private final Tensor floatTexts;
  private final Tensor own;
  private final Tensor commonLogits;
  private final Tensor before;
  private final double[] squares;
  private final double[] projectedSquares;
  private final double[] projectedCommon;
  private final double commonSquare;

  /**
   * Prepares images.
   *
   * @param residuals class tokens after the last block, F32 [images,d]
   * @param head of which {@link #holds} is true
   */
  public LastLayer(ReadOut readOut, Tensor residuals, AnswerHead head) {
    if (!holds(head)) throw new IllegalArgumentException("a biased head on unit embeddings");
    scale = head.scale();
    unit = head.input() == AnswerHead.OutputPart.EMBEDDING;
    images = Math.toIntExact(residuals.size(0));
    words = head.words().size();
    try (Scope scope = Scope.open()) {
      this.readOut = exact(readOut, unit, scope);
      this.residuals = scope.release(residuals.to(Device.CPU).to(DType.F32).copy());
      Tensor x = this.residuals.to(DType.F64);
      texts = scope.release(AnswerShift.centred(head));
      floatTexts = scope.release(texts.to(DType.F32).transpose(0, 1).contiguous());
      centred = scope.release(x.sub(x.mean(1, true)));
      projected = scope.release(project(centred));
      Tensor c = times(this.readOut.shift().reshape(1, -1));
      if (this.readOut.bias() != null) c = c.add(this.readOut.bias());
      common = scope.release(c.copy());
      own = scope.release(projected.matmul(texts).to(DType.F32).contiguous());
      Tensor both = common.matmul(texts);
      if (head.isBiased()) both = both.add(AnswerShift.bias(head).to(DType.F64));
      commonLogits = scope.release(both.to(DType.F32).contiguous());
      squares = doubles(centred.mul(centred).sum(1, false, DType.F64));
      projectedSquares = doubles(projected.mul(projected).sum(1, false, DType.F64));
      projectedCommon = doubles(projected.mul(common).sum(1, false, DType.F64));
      commonSquare = common.mul(common).sum(DType.F64).item();
      Tensor r = centred.mul(centred).mean(1, true).addInPlace(readOut.eps()).sqrt().contiguous();
      Tensor unedited = projected.div(r).addInPlace(common);
      if (unit) unedited = unedited.unit();
      before = scope.release(AnswerShift.probabilities(unedited, texts, head));
    }
  }

  /**
   * Whether the closed form is for such a head: not for a bias beside a unit embedding, and not for
   * the bias of a sigmoid, since it computes differences of logits alone.
   */
  public static boolean holds(AnswerHead head) {
    return head.input() == AnswerHead.OutputPart.POOLED
        || !head.isBiased() && head.sigmoidBias() == null;
  }

  private static ReadOut exact(ReadOut from, boolean projects, Scope scope) {
    if (!projects) {
      return new ReadOut(
          released(from.gain(), scope), released(from.shift(), scope), from.eps(), null, null);
    }
    return new ReadOut(
        released(from.gain(), scope),
        released(from.shift(), scope),
        from.eps(),
        from.projection() == null
            ? null
            : scope.release(
                from.projection().to(Device.CPU).to(DType.F64).transpose(0, 1).contiguous().copy()),
        from.bias() == null ? null : released(from.bias(), scope));
  }

  private static Tensor released(Tensor tensor, Scope scope) {
    return scope.release(tensor.to(Device.CPU).to(DType.F64).copy());
  }

  /** Centred rows F64 [n,d] through gain and projection. */
  private Tensor project(Tensor rows) {
    return times(rows.mul(readOut.gain()));
  }

  /** Rows F64 through the projection alone; it is held as [d,e]. */
  private Tensor times(Tensor rows) {
    Tensor projection = readOut.projection();
    return projection == null ? rows.copy() : rows.matmul(projection);
  }

  private static double[] doubles(Tensor tensor) {
    return tensor.contiguous().segment().toArray(ValueLayout.JAVA_DOUBLE);
  }

  /** Probabilities without an edit, F32 [images,words]. */
  public Tensor before() {
    return before;
  }

  @Override
  public int images() {
    return images;
  }

  @Override
  public int tokens() {
    return 1;
  }

  @Override
  public Tensor residuals() {
    return residuals;
  }

  @Override
  public void run(Tensor directions, float[] shifts, int from, int to, int groups, Sink sink) {
    int count = Math.toIntExact(directions.size(0));
    int block = (int) Math.clamp(BLOCK_BYTES / (4L * words), 1, count);
    Tensor unedited = before.narrow(0, from, to - from);
    Tensor mine = own.narrow(0, from, to - from);
    var input = AnswerShift.input(mine, false, commonLogits, unedited, groups);
    for (int at = 0; at < count; at += block) {
      try (Scope scope = Scope.open()) {
        Tensor d = directions.narrow(0, at, Math.min(block, count - at)).to(DType.F64);
        d = d.sub(d.mean(1, true));
        Tensor u = project(d);
        double[] weights = weights(d, u, shifts, at, from, to);
        Tensor logits = u.to(DType.F32).linear(floatTexts, null).contiguous();
        AnswerShift.sweep(input, logits, weights, at, sink);
      }
    }
  }

  /**
   * A block's weights of own, common and direction.
   *
   * @param d centred directions F64 [count,d]
   * @param u the same projected [count,e]
   * @param index of the block's first direction
   */
  private double[] weights(Tensor d, Tensor u, float[] shifts, int first, int from, int to) {
    int count = Math.toIntExact(d.size(0));
    int evaluated = to - from;
    double width = d.size(1);
    double[] dd = doubles(d.mul(d).sum(1, false, DType.F64));
    double[] uu = doubles(u.mul(u).sum(1, false, DType.F64));
    double[] uc = doubles(u.mul(common).sum(1, false, DType.F64));
    double[] xd = doubles(d.matmul(centred.narrow(0, from, evaluated).transpose(0, 1)));
    double[] xu = doubles(u.matmul(projected.narrow(0, from, evaluated).transpose(0, 1)));
    double[] weights = new double[Math.multiplyExact(count, evaluated * SteerKernels.WEIGHTS)];
    for (int k = 0; k < count; k++) {
      for (int i = 0; i < evaluated; i++) {
        int pair = k * evaluated + i;
        double s = shifts[first * evaluated + pair];
        double x2 = squares[from + i];
        double r = Math.sqrt((x2 + 2 * s * xd[pair] + s * s * dd[k]) / width + readOut.eps());
        double norm2 =
            projectedSquares[from + i]
                + s * s * uu[k]
                + r * r * commonSquare
                + 2 * s * xu[pair]
                + 2 * r * projectedCommon[from + i]
                + 2 * r * s * uc[k];
        // The tower divides by the embedding's length, but by no less than 1e-12.
        double length = unit ? Math.max(Math.sqrt(Math.max(norm2, 0)), 1e-12 * r) : r;
        double factor = scale / length;
        weights[pair * SteerKernels.WEIGHTS] = factor;
        weights[pair * SteerKernels.WEIGHTS + 1] = factor * r;
        weights[pair * SteerKernels.WEIGHTS + 2] = factor * s;
      }
    }
    return weights;
  }

  @Override
  public void close() {
    for (@Nullable Tensor tensor :
        new @Nullable Tensor[] {
          readOut.gain(),
          readOut.shift(),
          readOut.projection(),
          readOut.bias(),
          residuals,
          centred,
          projected,
          common,
          texts,
          floatTexts,
          own,
          commonLogits,
          before
        }) {
      if (tensor != null) tensor.close();
    }
  }
}
