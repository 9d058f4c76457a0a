// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import io.clipsteer.engine.edit.Edit;
import io.clipsteer.engine.edit.EditSite;
import io.clipsteer.engine.edit.Rule;
import java.util.Locale;

/**
 * An edit to select from.
 *
 * @param family the method, or one of its baselines
 * @param sae folder of the SAE whose features are edited, else empty
 * @param size number of features, neurons or directions
 */
public record Candidate(Family family, String sae, int size, Edit edit) {
  /**
   * An edit of named units.
   *
   * @param sae folder of the features' SAE, or empty
   */
  public static Candidate of(Edit edit, String sae) {
    return switch (edit.target()) {
      case Edit.Features features ->
          new Candidate(Family.FEATURES, sae, features.ids().length, edit);
      case Edit.Neurons neurons -> new Candidate(Family.NEURONS, sae, neurons.ids().length, edit);
      default -> new Candidate(Family.DIRECTION, sae, 1, edit);
    };
  }

  /**
   * The same edit, its change multiplied.
   *
   * @param strength 1 is the whole change, beyond it activations overshoot
   */
  Candidate times(double strength) {
    int k = edit.target().count();
    float[] strengths = edit.rule().strengths(k);
    for (int j = 0; j < k; j++) strengths[j] *= (float) strength;
    Rule whole = edit.rule() instanceof Rule.Times part ? part.whole() : edit.rule();
    Edit other = new Edit(edit.site(), edit.target(), new Rule.Times(whole, strengths));
    return new Candidate(family, sae, size, other);
  }

  /** What becomes of the units' activations, in few words. */
  String rule() {
    Rule rule = edit.rule();
    return rule.kind().name().toLowerCase(Locale.ROOT) + rule.times(edit.target().count());
  }

  /** Where the edit applies. */
  EditSite site() {
    return edit.site();
  }

  /** The method and its baselines. */
  public enum Family {
    /** Features of an SAE, ranked: the method. */
    FEATURES("features"),
    /** Coordinates of the residual, ranked by the difference of their means. */
    NEURONS("neurons"),
    /** The difference of the residual's means, projected out. */
    DIRECTION("mean-difference direction"),
    /** The least change after which no linear reader tells the means apart. */
    ERASURE("least-squares erasure (LEACE)"),
    /** Directions of linear probes, projected out one after the other. */
    PROBES("probe directions (INLP)"),
    /** The same number of random features. */
    RANDOM_FEATURES("random features"),
    /** A random direction of the same norm as the method's edit on each token. */
    RANDOM_DIRECTIONS("random directions");

    private final String word;

    Family(String word) {
      this.word = word;
    }

    @Override
    public String toString() {
      return word;
    }
  }
}
