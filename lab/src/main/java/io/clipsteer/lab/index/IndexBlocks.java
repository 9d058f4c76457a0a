// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

import io.clipsteer.lab.block.BlockStages;
import io.clipsteer.lab.block.BlockWork;
import io.clipsteer.lab.run.BlockFiles;
import org.jspecify.annotations.Nullable;

/** A pass over images whose blocks several processes compute, and one of them adds up. */
public final class IndexBlocks implements BlockWork {
  private static final String STAGE = "indexing";

  private final IndexRun run;
  private final BlockFiles files;
  private IndexRun.@Nullable Pass shape;

  /**
   * A pass.
   *
   * @param files which all processes share
   */
  public IndexBlocks(IndexRun run, BlockFiles files) {
    this.run = run;
    this.files = files;
  }

  private int width() {
    return run.model().vision().config().embedDim();
  }

  @Override
  public long compute(String stage, int number) {
    IndexRun.Pass block = run.block(encoding(), files.folder());
    try {
      block
          .skipped()
          .addAll(run.blocks().read(number, (batch, pixels) -> run.add(block, batch, pixels)));
      files.write(stage, number, port -> block.move(port, width()));
      return block.images().size();
    } finally {
      block.closeScores();
    }
  }

  /** The encoders, of which a process needs one each. */
  private synchronized IndexRun.Pass encoding() {
    IndexRun.Pass all = shape;
    if (all == null) {
      all = run.open(files.folder(), true);
      shape = all;
    }
    return all;
  }

  /**
   * Adds up the blocks.
   *
   * @param stages computes them
   * @throws io.clipsteer.data.InputException when no image can be read, or a block is damaged
   */
  IndexRun.Pass pass(BlockStages stages) {
    int blocks = run.blocks().count();
    stages.compute(STAGE, blocks);
    IndexRun.Pass pass = run.open(files.folder(), false);
    try {
      for (int number = 0; number < blocks; number++) add(pass, number);
      if (pass.images().isEmpty()) throw run.blocks().images().nothing(pass.skipped());
      return pass;
    } catch (RuntimeException e) {
      pass.close();
      throw e;
    }
  }

  private void add(IndexRun.Pass pass, int number) {
    IndexRun.Pass block = run.block(pass, files.folder());
    try {
      files.read(STAGE, number, port -> block.move(port, width()));
      pass.add(block);
    } finally {
      block.closeScores();
    }
  }

  @Override
  public void close() {
    if (shape != null) shape.close();
  }
}
