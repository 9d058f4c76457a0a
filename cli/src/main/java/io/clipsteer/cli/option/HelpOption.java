// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import picocli.CommandLine.Option;

/** {@code --help}, of every command and of every group of commands. */
public final class HelpOption {
  @Option(
      names = {"-h", "--help"},
      usageHelp = true,
      description = "Show this help.")
  private boolean help;
}
