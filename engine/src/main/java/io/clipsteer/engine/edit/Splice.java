// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.edit;

import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.ResidualEdit;
import io.clipsteer.engine.model.TokenSelection;

/**
 * Puts other values in the place of the selected tokens: an SAE's reconstruction (without its
 * error), their mean, zero. The other tokens pass unchanged.
 *
 * @param values what they become, of any shape that broadcasts to [b,selected,d]: F32 [d] for one
 *     vector everywhere
 * @param tokens which tokens
 * @param prefixTokens the tower's tokens before the patches
 */
public record Splice(Tensor values, TokenSelection tokens, int prefixTokens)
    implements ResidualEdit {
  @Override
  public Tensor edit(HookPoint point, Tensor residual) {
    int t = (int) residual.size(1);
    try (Scope scope = Scope.open()) {
      Tensor edited = residual.copy();
      edited.narrow(1, tokens.first(prefixTokens), tokens.count(prefixTokens, t)).copyFrom(values);
      return scope.keep(edited);
    }
  }
}
