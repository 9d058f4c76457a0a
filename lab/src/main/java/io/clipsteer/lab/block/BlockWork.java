// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.block;

/**
 * A command's work, open in one process. Blocks do not depend on each other, and what a block gives
 * is a function of the block and the command alone: any process may compute it, also twice.
 */
public interface BlockWork extends AutoCloseable {
  /**
   * Computes a block and stores what it gives, whole or not at all. May be called by several
   * threads.
   *
   * @param stage of a work that has several; a stage may read what the driver made of those before
   * @return what was computed, in the stage's unit: images that could be used, units, edits
   */
  long compute(String stage, int block);

  @Override
  void close();
}
