// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.cli.option.HelpOption;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code cluster}: whether a cluster can compute, and what a command would cost there. */
@Command(
    name = "cluster",
    description = "Check a cluster before a command with --master, and plan the command.",
    footer = "Example: clipsteer cluster doctor --master spark://head:7077 --threads 4",
    subcommands = {ClusterDoctorCommand.class, ClusterPlanCommand.class})
final class ClusterCommand {
  @Mixin private HelpOption help;
}
