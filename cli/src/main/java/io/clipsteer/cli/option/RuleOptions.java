// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import io.clipsteer.data.InputException;
import io.clipsteer.engine.edit.Rule;
import io.clipsteer.lab.steer.Strength;
import io.clipsteer.lab.steer.UnitRule;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** What becomes of a unit's activation: one of five rules. */
public final class RuleOptions {
  /** Where strengths are explained. */
  static final String FORMS =
      "2x: twice the unit's largest activation in the run's index; p99: a percentile of its"
          + " activations there; a number: in units of the normalised residual for features and"
          + " directions, of the residual for neurons.";

  @Option(names = "--set", paramLabel = "A", description = "Set the activation to A. " + FORMS)
  private @Nullable Strength set;

  @Option(names = "--scale", paramLabel = "S", description = "Scale the activation by S.")
  private @Nullable Double scale;

  @Option(
      names = "--cap",
      paramLabel = "A",
      description = "Limit the activation to at most A, as for --set.")
  private @Nullable Strength cap;

  @Option(names = "--add", paramLabel = "A", description = "Add A, a number, to the activation.")
  private @Nullable Double add;

  @Option(names = "--ablate", description = "Zero-ablate: set the activation to 0.")
  private boolean ablate;

  /** The rule. */
  public UnitRule rule() {
    if (set != null) return UnitRule.set(set);
    if (cap != null) return new UnitRule(Rule.RuleKind.CAP, cap);
    if (scale != null) return new UnitRule(Rule.RuleKind.SCALE, finite("--scale", scale));
    return add != null
        ? new UnitRule(Rule.RuleKind.ADD, finite("--add", add))
        : UnitRule.set(Strength.of(0));
  }

  private static Strength finite(String option, double number) {
    if (!Double.isFinite(number)) {
      throw new InputException(option, number + " is not finite", "Give a number");
    }
    return Strength.of(number);
  }

  /** Whether the rule moves a unit without activation, as a random direction is. */
  public boolean moves() {
    return set != null || add != null;
  }

  /** As {@code --json} prints it. */
  public Map<String, Object> json() {
    if (set != null) return Map.of("set", set);
    if (cap != null) return Map.of("cap", cap);
    if (add != null) return Map.of("add", add);
    return scale != null ? Map.of("scale", scale) : Map.of("ablate", true);
  }

  /** In words: the units are … */
  public String words() {
    if (set != null) return "set to " + set;
    if (cap != null) return "capped at " + cap;
    if (add != null) return "increased by " + add;
    return scale != null ? "scaled by " + scale : "ablated";
  }
}
