// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.label;

import io.clipsteer.cli.option.HelpOption;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code labels}: human evaluation of features. */
@Command(
    name = "labels",
    description = {
      "Evaluate features by people: plan trials, collect answers, report.",
      "clipsteer explore --plan DIR serves the page on which annotators answer."
    },
    footer = "Example: clipsteer labels plan --run runs/l8 --images photos --out study",
    subcommands = {
      EvaluationPlanCommand.class,
      ProxiesCommand.class,
      EvaluationReportCommand.class,
      ExportAnswersCommand.class,
      ImportAnswersCommand.class
    })
public final class LabelsCommand {
  @Mixin private HelpOption help;
}
