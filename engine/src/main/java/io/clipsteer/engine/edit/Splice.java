// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.edit;

import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.ResidualEdit;
import io.clipsteer.engine.model.SelectedTokens;
import io.clipsteer.engine.model.TokenSelection;

/**
 * Replaces the selected tokens: by an SAE's reconstruction (without its error), by their mean, by
 * zero. The other tokens pass unchanged.
 *
 * @param values the new tokens, of any shape that broadcasts to [b,selected,d]: F32 [d] for one
 *     vector everywhere
 * @param tokens which tokens
 * @param prefixTokens the tower's tokens before the patches
 */
public record Splice(Tensor values, TokenSelection tokens, int prefixTokens)
    implements ResidualEdit {
  @Override
  public Tensor edit(HookPoint point, Tensor residual) {
    return SelectedTokens.of(residual, tokens, prefixTokens).replacedBy(values);
  }
}
