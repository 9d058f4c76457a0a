// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.edit;

import io.clipsteer.data.InputException;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.Site;
import org.jspecify.annotations.Nullable;

/**
 * An edit that is one affine map on its tokens: {@code x' = x + Σ_j (α_j·p_j + β_j)·d_j} with
 * {@code p = Eᵀx + b}. Setting moves an activation by v − p (α −1, β v), scaling by (v − 1)·p (α v
 * − 1, β 0), adding by v (α 0, β v). A cap is not affine, and neither is an activation that is read
 * through a threshold, a top-k or a layer norm; what is added needs no activation.
 *
 * <p>Such an edit can be folded into the weights where its site is the output of a linear product
 * {@code y = W·h + b} alone: {@code W' = A·W}, {@code b' = A·b + c}. That is so of an MLP's output.
 * A block's output is that product plus the stream that passes it by, which no weight writes: there
 * only a shift (A = 1) can be folded, into the same bias.
 *
 * @param read E of the units with α, [d,k] in F64; null for a shift
 * @param written α_j·d_j, [k,d] in F64; null for a shift
 * @param shift c = Σ_j (α_j·b_j + β_j)·d_j, [d] in F64
 */
public record AffineEdit(@Nullable Tensor read, @Nullable Tensor written, Tensor shift) {
  /**
   * The map of an edit, in the current scope.
   *
   * @throws InputException saying why the edit is no affine map that one product can hold
   */
  public static AffineEdit of(CompiledEdit edit) {
    Scope.require();
    Rule.RuleKind rule = edit.rule();
    if (rule == Rule.RuleKind.CAP) throw refused("a cap changes only what is above it");
    if (edit.layerNorm()) {
      throw refused("its SAE's layer norm gives every token a scale of its own");
    }
    CompiledEdit.Rows rows = edit.rows();
    boolean shiftOnly = rule == Rule.RuleKind.ADD;
    if (!shiftOnly && (edit.topK() > 0 || !isOpen(rows.thresholds()))) {
      throw refused("its features are read through a threshold or a top-k");
    }
    if (!shiftOnly && edit.site().point().site() == Site.RESID_POST) {
      throw refused("the stream passes the block by, so that no weight writes all of it");
    }
    Tensor decoder = rows.decoder().to(DType.F64);
    Tensor values = rows.values().to(DType.F64);
    long k = values.size(0);
    if (shiftOnly) {
      return new AffineEdit(null, null, values.reshape(1, k).matmul(decoder).reshape(-1));
    }
    Tensor alpha =
        rule == Rule.RuleKind.SET ? values.mul(0).addInPlace(-1) : values.mul(1).addInPlace(-1);
    Tensor moved = alpha.mul(rows.bias().to(DType.F64));
    if (rule == Rule.RuleKind.SET) moved.addInPlace(values);
    return new AffineEdit(
        rows.encoder().to(DType.F64),
        decoder.mul(alpha.reshape(k, 1)),
        moved.reshape(1, k).matmul(decoder).reshape(-1));
  }

  private static boolean isOpen(Tensor thresholds) {
    for (float threshold : thresholds.toFloats()) {
      if (threshold != Float.NEGATIVE_INFINITY) return false;
    }
    return true;
  }

  private static InputException refused(String why) {
    return new InputException(
        "the edit", "cannot be folded into weights: " + why, "Export it with --to sidecar");
  }

  /**
   * A product's weight with the edit behind it.
   *
   * @param weight W [d,h]
   * @return A·W in F64, in the current scope
   */
  public Tensor weight(Tensor weight) {
    Tensor wide = weight.to(DType.F64);
    if (read == null || written == null) return wide;
    Tensor activations = read.transpose(0, 1).matmul(wide);
    return written.transpose(0, 1).matmul(activations).addInPlace(wide);
  }

  /**
   * A product's bias with the edit behind it.
   *
   * @param bias b [d]
   * @return A·b + c in F64, in the current scope
   */
  public Tensor bias(Tensor bias) {
    long d = bias.size(0);
    return weight(bias.reshape(d, 1)).reshape(d).add(shift);
  }
}
