// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.evaluate;

import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.lab.block.BlockStages;
import io.clipsteer.lab.block.BlockWork;
import io.clipsteer.lab.run.BlockFiles;
import io.clipsteer.lab.run.ImageBlocks;
import io.clipsteer.lab.run.TokenStatistics;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * An evaluation whose blocks several processes compute: any of them a block, and one of them what
 * is between and behind the stages.
 */
public final class SparsityBlocks implements BlockWork {
  private static final String STATISTICS = "computing token statistics";
  private static final String ALL = "token statistics";
  private static final String MEASURES = "evaluating";

  private final SparsityRun run;
  private final BlockFiles files;
  private @Nullable List<TokenStatistics> statistics;

  /**
   * An evaluation.
   *
   * @param files which all processes share
   */
  public SparsityBlocks(SparsityRun run, BlockFiles files) {
    this.run = run;
    this.files = files;
  }

  @Override
  public long compute(String stage, int block) {
    return stage.equals(STATISTICS) ? statistics(block) : measures(block);
  }

  private long statistics(int block) {
    List<TokenStatistics> own = run.noStatistics();
    long[] images = new long[1];
    run.blocks()
        .read(
            block,
            (batch, pixels) -> {
              run.addStatistics(own, batch, pixels);
              images[0] += batch.count();
            });
    files.write(STATISTICS, block, port -> own.forEach(one -> one.move(port)));
    return images[0];
  }

  private long measures(int block) {
    List<TokenStatistics> all = all();
    EvaluationTally own = run.tally(all);
    List<ImageLoader.Skipped> skipped =
        run.blocks().read(block, (batch, pixels) -> run.measure(all, own, batch, pixels));
    files.write(
        MEASURES,
        block,
        port -> {
          own.move(port);
          ImageBlocks.move(port, skipped);
        });
    return own.images();
  }

  /** The statistics of all blocks, which the driver stored. */
  private synchronized List<TokenStatistics> all() {
    List<TokenStatistics> all = statistics;
    if (all != null) return all;
    List<TokenStatistics> read = run.noStatistics();
    files.read(ALL, 0, port -> read.forEach(one -> one.move(port)));
    statistics = read;
    return read;
  }

  /**
   * Evaluates.
   *
   * @param stages computes the blocks of a stage
   * @throws io.clipsteer.data.InputException when no image can be read, or a block is damaged
   */
  public SparsityReport run(BlockStages stages) {
    run.check();
    int blocks = run.blocks().count();
    stages.compute(STATISTICS, blocks);
    List<TokenStatistics> sums = run.noStatistics();
    for (int block = 0; block < blocks; block++) {
      List<TokenStatistics> own = run.noStatistics();
      files.read(STATISTICS, block, port -> own.forEach(one -> one.move(port)));
      SparsityRun.add(sums, own);
    }
    files.write(ALL, 0, port -> sums.forEach(one -> one.move(port)));
    stages.compute(MEASURES, blocks);
    EvaluationTally all = run.tally(sums);
    List<ImageLoader.Skipped> skipped = new ArrayList<>();
    for (int block = 0; block < blocks; block++) {
      EvaluationTally own = run.tally(sums);
      files.read(
          MEASURES,
          block,
          port -> {
            own.move(port);
            skipped.addAll(ImageBlocks.move(port, List.of()));
          });
      all.add(own);
    }
    if (all.images() == 0) throw run.blocks().images().nothing(skipped);
    return run.report(sums, all, List.copyOf(skipped));
  }
}
