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
   * A command's work on a cluster.
   *
   * @param arguments the command line without the program's name: every process opens its work
   * @param blocks to compute, by number
   * @param images of all blocks, for progress
   */
  record ClusterWork(List<String> arguments, List<Integer> blocks, long images) {
    /** Keeps copies. */
    public ClusterWork {
      arguments = List.copyOf(arguments);
      blocks = List.copyOf(blocks);
    }
  }

  /**
   * Computes blocks. Where it fails, those that were computed stay.
   *
   * @return images that could be used
   * @throws io.clipsteer.data.InputException when the cluster cannot be reached, its processors
   *     differ, or a block fails on several of them
   */
  long compute(ClusterSettings settings, ClusterWork work, Progress progress);
}
