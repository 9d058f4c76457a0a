// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.edit;

import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.SelectedTokens;
import io.clipsteer.engine.model.TokenMask;
import io.clipsteer.engine.model.TokenSelection;
import org.apiguardian.api.API;

/**
 * Where an edit happens.
 *
 * @param tokens which tokens it changes; the others pass unchanged
 * @param prefixTokens the tower's tokens before the patches
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record EditSite(HookPoint point, TokenMask tokens, int prefixTokens) {
  /** A site of a token selection. */
  public static EditSite of(HookPoint point, TokenSelection tokens, int prefixTokens) {
    return new EditSite(point, TokenMask.of(tokens), prefixTokens);
  }

  /** The site's tokens of a residual [b,t,d]. */
  public SelectedTokens in(Tensor residual) {
    int all = Math.toIntExact(residual.size(1));
    return SelectedTokens.of(residual, tokens.mask(prefixTokens, all));
  }
}
