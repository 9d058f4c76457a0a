// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.lab.block.BlockWork;

/** A command whose work is cut into blocks. */
interface BlockCommand {
  /** Opens the work as the command's options say, in a process that computes blocks of it. */
  BlockWork open();
}
