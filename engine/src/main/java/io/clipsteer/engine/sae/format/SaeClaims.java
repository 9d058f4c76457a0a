// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae.format;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What an SAE's files say about it, unchecked.
 *
 * @param format who wrote them
 * @param hookName the hook point, such as {@code blocks.7.hook_resid_post}; null when not stated
 * @param modelName the model; null when not stated
 * @param modelHash SHA-256 of the model's weights; null when not stated
 * @param tokens which tokens it was trained on: all, cls or patches; null when not stated
 * @param k intended number of active features per token; null when not stated
 * @param quality stated figures: any of {@code l0}, {@code explained_variance}, {@code cosine}
 * @param notes what a reader had to decide or fold, one sentence each
 */
public record SaeClaims(
    SaeFormat format,
    @Nullable String hookName,
    @Nullable String modelName,
    @Nullable String modelHash,
    @Nullable String tokens,
    @Nullable Integer k,
    Map<String, Double> quality,
    List<String> notes) {

  public SaeClaims {
    quality = Map.copyOf(quality);
    notes = List.copyOf(notes);
  }

  /** Claims of files that tell neither the model's hash nor the tokens. */
  SaeClaims(
      SaeFormat format,
      @Nullable String hookName,
      @Nullable String modelName,
      @Nullable Integer k,
      Map<String, Double> quality,
      List<String> notes) {
    this(format, hookName, modelName, null, null, k, quality, notes);
  }

  /** The same at another hook point. */
  public SaeClaims withHook(String name) {
    return new SaeClaims(format, name, modelName, modelHash, tokens, k, quality, notes);
  }

  /** The same for these tokens: all, cls or patches. */
  public SaeClaims withTokens(@Nullable String selection) {
    return new SaeClaims(format, hookName, modelName, modelHash, selection, k, quality, notes);
  }

  /** The same with these notes alone. */
  SaeClaims withNotes(List<String> all) {
    return new SaeClaims(format, hookName, modelName, modelHash, tokens, k, quality, all);
  }

  /** The same with further figures, which come before those in the files. */
  public SaeClaims withQuality(Map<String, Double> more) {
    Map<String, Double> all = new HashMap<>(quality);
    all.putAll(more);
    return new SaeClaims(format, hookName, modelName, modelHash, tokens, k, all, notes);
  }
}
