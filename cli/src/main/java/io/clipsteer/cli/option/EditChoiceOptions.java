// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.lab.suppress.SuppressionSettings;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** How features are ranked, edited and selected. */
public final class EditChoiceOptions {
  @Option(
      names = "--select",
      paramLabel = "RANKING",
      description = "Ranking of features: ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
  private SuppressionSettings.Select select;

  @Option(
      names = "--edit",
      defaultValue = "ablate",
      paramLabel = "EDIT",
      description =
          "Edit of features: ablate, mean, cap:F (at most F times the largest activation without"
              + " the attribute) or scale:F (F times the largest activation, as saev).")
  private String edit;

  @Option(
      names = "--max-clean-loss",
      paramLabel = "POINTS",
      description =
          "Most points of accuracy that an edit may cost on validation, overall and on the clean"
              + " set (default: ${DEFAULT-VALUE}).")
  private double maxLoss;

  private final SuppressionSettings.Goal goal;

  /**
   * With a command's own defaults.
   *
   * @param goal that edits are selected for
   */
  public EditChoiceOptions(
      SuppressionSettings.Select select, double maxLoss, SuppressionSettings.Goal goal) {
    this.select = select;
    this.maxLoss = maxLoss;
    this.goal = goal;
  }

  /**
   * The settings.
   *
   * @param at tokens to edit, or null for those that the SAE reads
   * @param sizes numbers of features to select from
   * @param draws random edits of each kind
   * @param screen whether edits that cannot be selected are dropped after few images
   */
  public SuppressionSettings settings(
      @Nullable TokenSelection at, List<Integer> sizes, int draws, boolean screen, long seed) {
    return new SuppressionSettings(
        select,
        SuppressionSettings.Change.parse(edit),
        at,
        sizes,
        maxLoss,
        draws,
        seed,
        goal,
        screen);
  }
}
