// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.block;

import java.util.function.Consumer;
import java.util.function.Function;

/**
 * A command's work, open in one process. Blocks do not depend on each other, and what a block gives
 * is a function of the block and the command alone: any process may compute it, also twice.
 */
@FunctionalInterface
public interface BlockWork extends AutoCloseable {
  /**
   * Computes a block and stores what it gives, whole or not at all. May be called by several
   * threads.
   *
   * @param stage of a work that has several; a stage may read what the driver made of those before
   * @return what was computed, in the stage's unit: images that could be used, units, edits
   */
  long compute(String stage, int block);

  /** Frees what it holds. */
  @Override
  default void close() {}

  /**
   * Work with something that is open for it.
   *
   * @param close called with the work's end, and where the work cannot be made
   */
  static <T> BlockWork of(T open, Consumer<T> close, Function<T, BlockWork> work) {
    try {
      BlockWork inner = work.apply(open);
      return new BlockWork() {
        @Override
        public long compute(String stage, int block) {
          return inner.compute(stage, block);
        }

        @Override
        public void close() {
          inner.close();
          close.accept(open);
        }
      };
    } catch (RuntimeException e) {
      close.accept(open);
      throw e;
    }
  }
}
