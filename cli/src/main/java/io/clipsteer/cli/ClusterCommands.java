// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.lab.block.BlockCommands;
import io.clipsteer.lab.block.BlockWork;
import java.io.PrintWriter;
import java.util.List;
import picocli.CommandLine;
import picocli.CommandLine.ParseResult;

/** Reads a command line in a process of a cluster, without running it. */
public final class ClusterCommands implements BlockCommands {
  /** Called by the service loader. */
  public ClusterCommands() {}

  @Override
  public BlockWork open(List<String> arguments) {
    if (parsed(arguments) instanceof BlockCommand command) return command.open();
    throw new IllegalArgumentException(arguments.getFirst() + " has no blocks");
  }

  /** The command that a command line names, with its options, not run. */
  static Object parsed(List<String> arguments) {
    String[] words = arguments.toArray(new String[0]);
    CommandLine line = Main.commandLine(new PrintWriter(System.out, true), words);
    ParseResult parsed = line.parseArgs(words);
    while (parsed.hasSubcommand()) parsed = parsed.subcommand();
    return parsed.commandSpec().commandLine().getCommand();
  }
}
