// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import java.util.ArrayList;
import java.util.List;

/**
 * The selected tokens of a residual [b,t,d]: n of each image, in the order of the residual. Holds
 * no tensor of its own.
 */
public final class SelectedTokens {
  private final Tensor residual;
  private final List<Run> runs;
  private final int count;

  /** Tokens that lie side by side. */
  private record Run(int first, int count) {}

  private SelectedTokens(Tensor residual, List<Run> runs) {
    this.residual = residual;
    this.runs = runs;
    count = runs.stream().mapToInt(Run::count).sum();
  }

  /**
   * The tokens of a selection.
   *
   * @param residual [b,t,d]
   * @param prefixTokens the tower's tokens before the patches
   */
  public static SelectedTokens of(Tensor residual, TokenSelection tokens, int prefixTokens) {
    int all = Math.toIntExact(residual.size(1));
    Run run = new Run(tokens.first(prefixTokens), tokens.count(prefixTokens, all));
    return new SelectedTokens(residual, List.of(run));
  }

  /**
   * The tokens of a mask.
   *
   * @param residual [b,t,d]
   * @param mask t values
   */
  public static SelectedTokens of(Tensor residual, boolean[] mask) {
    List<Run> runs = new ArrayList<>();
    for (int t = 0; t < mask.length; t++) {
      int first = t;
      while (t < mask.length && mask[t]) t++;
      if (t > first) runs.add(new Run(first, t - first));
    }
    if (runs.isEmpty()) runs.add(new Run(0, 0));
    return new SelectedTokens(residual, List.copyOf(runs));
  }

  /** Selected tokens n of each image. */
  public int count() {
    return count;
  }

  /** The tokens [b,n,d], a view where they lie side by side. */
  public Tensor values() {
    List<Tensor> parts =
        runs.stream().map(run -> residual.narrow(1, run.first, run.count)).toList();
    return parts.size() == 1 ? parts.getFirst() : Tensor.concat(parts, 1);
  }

  /** The tokens image by image, F32 [b·n,d], contiguous, on the CPU: what an SAE reads. */
  public Tensor rows() {
    long rows = residual.size(0) * count;
    return values().to(Device.CPU).to(DType.F32).reshape(rows, residual.size(2)).contiguous();
  }

  /**
   * A copy of the residual with rows added to the tokens, in the current scope.
   *
   * @param rows [b·n,d], of any type on any device
   */
  public Tensor plus(Tensor rows) {
    try (Scope scope = Scope.open()) {
      Tensor added =
          rows.reshape(residual.size(0), count, residual.size(2))
              .to(residual.dtype())
              .to(residual.device());
      Tensor edited = residual.copy();
      int at = 0;
      for (Run run : runs) {
        edited.narrow(1, run.first, run.count).addInPlace(added.narrow(1, at, run.count));
        at += run.count;
      }
      return scope.keep(edited);
    }
  }

  /**
   * A copy of the residual with the tokens replaced, in the current scope.
   *
   * @param values of any shape that broadcasts to a run of the tokens, as F32 [d] for one vector
   *     everywhere; [b,n,d] only where the tokens lie side by side
   */
  public Tensor replacedBy(Tensor values) {
    try (Scope scope = Scope.open()) {
      Tensor edited = residual.copy();
      for (Run run : runs) edited.narrow(1, run.first, run.count).copyFrom(values);
      return scope.keep(edited);
    }
  }
}
