// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.block;

/** Has the blocks of a work's stages computed, wherever that is. */
@FunctionalInterface
public interface BlockStages {
  /**
   * Computes the blocks of a stage that are missing, and returns when all are there.
   *
   * @param blocks how many the stage has, numbered from 0
   */
  void compute(String stage, int blocks);
}
