// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.Paused;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.sae.Sae;
import java.util.Collection;
import java.util.IdentityHashMap;
import java.util.Map;

/**
 * Images at a hook point, ready for many edits of the same tokens: an SAE encodes them once. Its
 * tensors belong to the scope it was made in.
 */
final class EncodedTokens {
  private final Paused paused;
  private final int first;
  private final int count;
  private final Tensor rows;
  private final Map<Sae, Sae.Encoded> encoded = new IdentityHashMap<>();

  /**
   * @param tokens which are edited
   * @param prefixTokens the tower's tokens before the patches
   * @param saes that edits or the caller will ask for
   */
  EncodedTokens(Paused paused, TokenSelection tokens, int prefixTokens, Collection<Sae> saes) {
    this.paused = paused;
    Tensor value = paused.value();
    first = tokens.first(prefixTokens);
    count = tokens.count(prefixTokens, (int) value.size(1));
    rows =
        value
            .narrow(1, first, count)
            .to(Device.CPU)
            .to(DType.F32)
            .reshape(value.size(0) * count, value.size(2))
            .contiguous();
    // Here and not on demand: what is made in an edit's own scope would be gone with it.
    for (Sae sae : saes) encoded.computeIfAbsent(sae, s -> s.encode(rows));
  }

  int images() {
    return (int) paused.value().size(0);
  }

  /** Edited tokens of an image. */
  int tokens() {
    return count;
  }

  /** The edited tokens, image by image, F32 [images·tokens,d] on the CPU. */
  Tensor rows() {
    return rows;
  }

  /** The same as an SAE reads them. */
  Sae.Encoded encoded(Sae sae) {
    Sae.Encoded found = encoded.get(sae);
    if (found == null) throw new IllegalStateException("an SAE that was not named");
    return found;
  }

  /** Where the tower goes on from with an edit, in the current scope. */
  Paused edited(Edit edit) {
    try (Scope scope = Scope.open()) {
      Tensor value = paused.value();
      Tensor added =
          edit.added(this)
              .reshape(value.size(0), count, value.size(2))
              .to(value.device())
              .to(value.dtype());
      Tensor changed = value.copy();
      changed.narrow(1, first, count).addInPlace(added);
      return paused.with(scope.keep(changed));
    }
  }
}
