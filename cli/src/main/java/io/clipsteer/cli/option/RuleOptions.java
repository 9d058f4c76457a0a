// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import io.clipsteer.data.InputException;
import io.clipsteer.engine.edit.Rule;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** What becomes of a unit's activation: one of five rules. */
public final class RuleOptions {
  @Option(
      names = "--set",
      paramLabel = "A",
      description =
          "Set the activation to A: of features in units of the normalised residual, of neurons and"
              + " directions in the residual's own.")
  private @Nullable Double set;

  @Option(names = "--scale", paramLabel = "S", description = "Scale the activation by S.")
  private @Nullable Double scale;

  @Option(names = "--cap", paramLabel = "A", description = "Limit the activation to at most A.")
  private @Nullable Double cap;

  @Option(names = "--add", paramLabel = "A", description = "Add A to the activation.")
  private @Nullable Double add;

  @Option(names = "--ablate", description = "Zero-ablate: set the activation to 0.")
  private boolean ablate;

  /** The rule, the same for every unit. */
  public Rule rule() {
    if (set != null) return new Rule.Set((float) finite("--set", set));
    if (scale != null) return new Rule.Scale(finite("--scale", scale));
    if (cap != null) return new Rule.Cap((float) finite("--cap", cap));
    return add != null ? new Rule.Add(finite("--add", add)) : Rule.ablate();
  }

  private static double finite(String option, double number) {
    if (!Double.isFinite(number)) {
      throw new InputException(option, number + " is not finite", "Give a number");
    }
    return number;
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
