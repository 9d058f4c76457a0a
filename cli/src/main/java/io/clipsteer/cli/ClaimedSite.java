// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.data.Hashes;
import io.clipsteer.data.InputException;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.sae.format.SaeClaims;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** Where an SAE belongs: what the user says, or else what its files claim. */
final class ClaimedSite {
  private ClaimedSite() {}

  /**
   * The hook point.
   *
   * @param path of the SAE
   * @param given by the user, or null
   */
  static HookPoint point(Path path, SaeClaims claims, @Nullable HookPoint given) {
    if (given != null) return given;
    if (claims.hookName() == null) {
      throw new InputException(
          path, "does not name its hook point", "Give it: --hook blocks.7.hook_resid_post");
    }
    try {
      return HookPoint.parse(claims.hookName());
    } catch (InputException e) {
      throw new InputException(
          path,
          "its hook point cannot be read: " + e.getMessage(),
          "Give it in this form: --hook blocks.7.hook_resid_post",
          e);
    }
  }

  /** The tokens. */
  static TokenSelection tokens(SaeClaims claims, @Nullable TokenSelection given) {
    if (given != null) return given;
    return claims.tokens() == null ? TokenSelection.ALL : TokenSelection.parse(claims.tokens());
  }

  /** Whether the model's weights are those that the files name; null where they name none. */
  static @Nullable Boolean sameModel(SaeClaims claims, ClipModel clip) {
    String named = claims.modelHash();
    if (named == null || named.isEmpty()) return null;
    return named.equalsIgnoreCase(Hashes.sha256(clip.source().weights()));
  }
}
