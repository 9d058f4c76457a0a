// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.lab.block.BlockCluster;
import io.clipsteer.lab.block.BlockStages;
import io.clipsteer.lab.run.BlockFiles;
import io.clipsteer.lab.run.ImageBlocks;
import java.nio.file.Path;
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
  private BlockCluster.ClusterSession open(CommonOptions common) {
    return cluster().open(settings(common), common.commandLine());
  }

  /**
   * Asks the cluster's executors what they are.
   *
   * @param marked a file in a folder that all should share, or null
   */
  public BlockCluster.ClusterReport survey(CommonOptions common, @Nullable Path marked) {
    if (master == null) throw common.usage("Which cluster? Give --master URL");
    return cluster().survey(settings(common), marked);
  }

  private BlockCluster.ClusterSettings settings(CommonOptions common) {
    return new BlockCluster.ClusterSettings(master(), properties, common.givenThreads(), mixed);
  }

  /** The cluster's address. */
  public String master() {
    if (master == null) throw new IllegalStateException("no --master");
    return master;
  }

  /** Whether processors of several kinds may take part. */
  public boolean isMixed() {
    return mixed;
  }

  private BlockCluster cluster() {
    return ServiceLoader.load(BlockCluster.class)
        .findFirst()
        .orElseThrow(
            () ->
                new InputException(
                    "--master " + master,
                    "Spark is not on the class path",
                    "Start the program with ./clipsteer"));
  }

  /** Connects when something is to be computed there, and not where nothing is. */
  public BlockCluster.ClusterSession later(CommonOptions common) {
    return new BlockCluster.ClusterSession() {
      private BlockCluster.@Nullable ClusterSession session;

      @Override
      public long compute(
          String stage, List<Integer> blocks, long count, String unit, Progress progress) {
        if (blocks.isEmpty()) return 0;
        if (session == null) session = open(common);
        return session.compute(stage, blocks, count, unit, progress);
      }

      @Override
      public void close() {
        if (session != null) session.close();
      }
    };
  }

  /**
   * Does a work whose blocks of images the cluster computes.
   *
   * @param files that hold the blocks' results
   * @param work is given what computes a stage
   */
  public <T> T stages(
      CommonOptions common, ImageBlocks blocks, BlockFiles files, Function<BlockStages, T> work) {
    try (BlockCluster.ClusterSession session = later(common)) {
      long images = blocks.images().count();
      return work.apply(
          (stage, count) -> {
            List<Integer> missing = files.missing(stage, count);
            long some = Math.min(images, (long) missing.size() * blocks.size());
            session.compute(stage, missing, some, "images", common.progress());
          });
    }
  }

  /** Refuses what a cluster cannot do, before long preparations. */
  public void check(CommonOptions common) {
    if (master != null) common.givenThreads();
  }
}
