// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What an SAE's files say about it, unchecked.
 *
 * @param format who wrote them
 * @param hookName the hook point, such as {@code blocks.7.hook_resid_post}; null when not told
 * @param modelName the model; null when not told
 * @param k how many features are meant to be active on a token; null when not told
 * @param quality figures told, such as {@code l0} and {@code explained_variance}
 * @param notes what a reader had to decide or fold, one sentence each
 */
public record SaeClaims(
    SaeFormat format,
    @Nullable String hookName,
    @Nullable String modelName,
    @Nullable Integer k,
    Map<String, Double> quality,
    List<String> notes) {

  public SaeClaims {
    quality = Map.copyOf(quality);
    notes = List.copyOf(notes);
  }
}
