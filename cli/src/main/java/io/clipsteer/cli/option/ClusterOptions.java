// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import io.clipsteer.data.InputException;
import io.clipsteer.lab.block.BlockCluster;
import io.clipsteer.lab.block.BlockStages;
import io.clipsteer.lab.run.BlockFiles;
import io.clipsteer.lab.run.ImageBlocks;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Where the blocks of a command are computed: here, or on a cluster. */
public final class ClusterOptions {
  @Option(
      names = "--master",
      paramLabel = "URL",
      description =
          "Compute on Apache Spark: spark://HOST:PORT, local[N] or local-cluster[N,CORES,MB]; the"
              + " result is the same. See docs/cluster.md.")
  private @Nullable String master;

  @Option(
      names = "--cluster-conf",
      paramLabel = "KEY=VALUE",
      description = "A property of Spark; may stand several times.")
  private Map<String, String> properties = new LinkedHashMap<>();

  @Option(
      names = "--mixed",
      description =
          "Let processors of several kinds take part in a cluster; results may differ in their last"
              + " bits.")
  private boolean mixed;

  /** Whether a cluster computes. */
  public boolean isGiven() {
    return master != null;
  }

  /**
   * Connects to the cluster.
   *
   * @param common has the command line, which every process of the cluster reads
   * @throws InputException when the cluster cannot be reached
   */
  public BlockCluster.ClusterSession open(CommonOptions common) {
    if (master == null) throw new IllegalStateException("no --master");
    var settings =
        new BlockCluster.ClusterSettings(master, properties, common.givenThreads(), mixed);
    BlockCluster cluster =
        ServiceLoader.load(BlockCluster.class)
            .findFirst()
            .orElseThrow(
                () ->
                    new InputException(
                        "--master " + master,
                        "Spark is not on the class path",
                        "Start the program with ./clipsteer"));
    return cluster.open(settings, common.commandLine());
  }

  /**
   * Does a work whose blocks of images the cluster computes.
   *
   * @param files that hold the blocks' results
   * @param work is given what computes a stage
   */
  public <T> T stages(
      CommonOptions common, ImageBlocks blocks, BlockFiles files, Function<BlockStages, T> work) {
    try (BlockCluster.ClusterSession session = open(common)) {
      long images = blocks.images().count();
      return work.apply(
          (stage, count) -> {
            List<Integer> missing = files.missing(stage, count);
            long some = Math.min(images, (long) missing.size() * blocks.size());
            session.compute(stage, missing, some, "images", common.progress());
          });
    }
  }

  /**
   * Refuses what a cluster cannot do, before long preparations.
   *
   * @param count images of the set, −1 where it cannot be read from any place on
   */
  public void check(CommonOptions common, Object source, long count) {
    if (master == null) return;
    common.givenThreads();
    if (count >= 0) return;
    throw new InputException(
        source,
        "is an archive, which has no blocks to read one by one",
        "Unpack it, and name the folder or a table");
  }
}
