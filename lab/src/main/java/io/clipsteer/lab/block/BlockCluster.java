// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.block;

import io.clipsteer.data.Progress;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Computes a command's blocks on many machines; a Java service. */
public interface BlockCluster {
  /**
   * What to compute with.
   *
   * @param master the cluster's address, as Apache Spark has them
   * @param properties of Spark
   * @param threads of a block's tensor operations, and processors that it occupies
   * @param mixed whether processors of several kinds may take part: results then differ in their
   *     last bits
   */
  record ClusterSettings(
      String master, Map<String, String> properties, int threads, boolean mixed) {
    /** Keeps a copy. */
    public ClusterSettings {
      properties = Map.copyOf(properties);
    }
  }

  /**
   * Connects to a cluster.
   *
   * @param arguments the command line without the program's name: every process opens its work
   * @throws io.clipsteer.data.InputException when the cluster cannot be reached
   */
  ClusterSession open(ClusterSettings settings, List<String> arguments);

  /**
   * What the executors say of themselves.
   *
   * @param executors each once, by host and process
   * @param clockMillis how far each one's clock is from this process's, as far as the time that an
   *     answer takes lets it be known; in the executors' order
   */
  record ClusterReport(List<ExecutorReport> executors, List<Long> clockMillis) {}

  /**
   * Asks all executors that register, and computes nothing.
   *
   * @param marked a file that this process has written into the folder to share; executors read it
   *     and write beside it; null to check no folder
   * @throws io.clipsteer.data.InputException when the cluster cannot be reached or has no executor
   */
  ClusterReport survey(ClusterSettings settings, @Nullable Path marked);

  /** A command's connection to a cluster, for one thread. */
  interface ClusterSession extends AutoCloseable {
    /**
     * Computes blocks. Where it fails, those that were computed stay.
     *
     * @param stage of the work, which its blocks are of
     * @param blocks by number
     * @param count of all blocks together, for progress, in {@link BlockWork#compute}'s unit
     * @param unit what is counted
     * @return the sum of what the blocks returned
     * @throws io.clipsteer.data.InputException when the cluster is lost, its processors differ, or
     *     a block fails on several of them
     */
    long compute(String stage, List<Integer> blocks, long count, String unit, Progress progress);

    @Override
    void close();
  }
}
