// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.label;

import io.clipsteer.cli.option.HelpOption;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code labels}: how well features can be understood. */
@Command(
    name = "labels",
    description = "Measure how well features can be understood.",
    footer = "Example: clipsteer labels proxies --run runs/l8 --images photos --judge models/other",
    subcommands = {ProxiesCommand.class})
public final class LabelsCommand {
  @Mixin private HelpOption help;
}
