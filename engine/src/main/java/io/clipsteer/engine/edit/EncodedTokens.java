// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.edit;

import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.SelectedTokens;
import io.clipsteer.engine.sae.Sae;
import java.util.Collection;
import java.util.IdentityHashMap;
import java.util.Map;
import org.apiguardian.api.API;

/**
 * The tokens of an edit site, encoded once by each SAE and ready for many edits. The SAEs run on
 * the CPU, wherever the tower does. The tensors belong to the scope in which this was made.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public final class EncodedTokens {
  private final SelectedTokens selected;
  private final Tensor rows;
  private final Map<Sae, Sae.Encoded> encoded = new IdentityHashMap<>();

  /**
   * Encodes.
   *
   * @param residual [b,t,d]
   * @param saes those that edits or the caller will need
   */
  public EncodedTokens(Tensor residual, EditSite site, Collection<Sae> saes) {
    selected = site.in(residual);
    rows = selected.rows();
    // Not on demand: what an edit's own scope holds is gone with it.
    for (Sae sae : saes) encoded.computeIfAbsent(sae, s -> s.encode(rows));
  }

  /**
   * Takes codes that are known.
   *
   * @param residual [b,t,d]
   * @param known codes of the site's tokens, image by image
   */
  public EncodedTokens(Tensor residual, EditSite site, Map<Sae, Sae.Encoded> known) {
    selected = site.in(residual);
    rows = selected.rows();
    encoded.putAll(known);
  }

  /** Edited tokens n of an image. */
  public int tokens() {
    return selected.count();
  }

  /** The edited tokens, image by image, F32 [b·n,d] on the CPU. */
  public Tensor rows() {
    return rows;
  }

  /** The edited tokens' code in an SAE. */
  public Sae.Encoded encoded(Sae sae) {
    Sae.Encoded found = encoded.get(sae);
    if (found == null) throw new IllegalStateException("an SAE that was not named");
    return found;
  }

  /** The residual after an edit, [b,t,d] in the current scope. */
  public Tensor edited(Edit edit) {
    try (Scope scope = Scope.open()) {
      return scope.keep(plus(edit.added(this)));
    }
  }

  /**
   * The residual with rows added to the edited tokens, [b,t,d] in the current scope.
   *
   * @param added [b·n,d]
   */
  public Tensor plus(Tensor added) {
    return selected.plus(added);
  }
}
