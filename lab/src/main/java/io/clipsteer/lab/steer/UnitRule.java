// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import io.clipsteer.data.InputException;
import io.clipsteer.engine.edit.Rule;

/**
 * A rule for units of several sites, each with its own activations.
 *
 * @param kind which rule
 * @param strength new activation or cap, in any unit; a factor or summand as a number
 */
public record UnitRule(Rule.RuleKind kind, Strength strength) {
  /** Units are set to it. */
  public static UnitRule set(Strength strength) {
    return new UnitRule(Rule.RuleKind.SET, strength);
  }

  /**
   * The rule for features.
   *
   * @param values of the strength, one for each feature
   * @throws InputException for a cap below 0, which no activation of a feature is
   */
  public Rule ofFeatures(float... values) {
    if (kind == Rule.RuleKind.CAP && values.length > 0 && values[0] < 0) {
      throw new InputException("--cap " + strength, "a feature is never below 0", "Use --ablate");
    }
    return of(values);
  }

  /**
   * The rule for units of one kind.
   *
   * @param values of the strength, one for each unit
   */
  public Rule of(float... values) {
    return switch (kind) {
      case SET -> new Rule.Set(values);
      case CAP -> new Rule.Cap(values);
      case SCALE -> new Rule.Scale(strength.number());
      case ADD -> new Rule.Add(strength.number());
    };
  }
}
