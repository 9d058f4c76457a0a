// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.block;

import io.clipsteer.data.Progress;
import java.util.List;
import java.util.Map;

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
