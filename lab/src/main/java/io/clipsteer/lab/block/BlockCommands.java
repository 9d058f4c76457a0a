// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.block;

import java.util.List;

/** Opens commands' work in a process of a cluster, where nobody typed them; a Java service. */
public interface BlockCommands {
  /**
   * Opens the work of a command.
   *
   * @param arguments the command line without the program's name
   */
  BlockWork open(List<String> arguments);
}
