// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.block;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a command will cost, before anything runs. Times are by rates that this machine measured.
 *
 * @param stages one after the other
 * @param memoryBytes of an executor that computes one block at a time, beside Java's own
 * @param notes on what is not known before
 */
public record WorkPlan(List<PlannedStage> stages, long memoryBytes, List<String> notes) {
  /**
   * A part of the work.
   *
   * @param cluster whether executors share it; else the driver does it alone
   * @param tasks blocks; 1 for the driver
   * @param readBytes of all tasks, without the model
   * @param writtenBytes of all tasks; null where it is not known before
   * @param flops of all tasks
   * @param seconds of all tasks, on one executor
   * @param openingSeconds that each executor takes before its first task, the model's loading apart
   */
  public record PlannedStage(
      String name,
      boolean cluster,
      long tasks,
      double readBytes,
      @Nullable Double writtenBytes,
      double flops,
      double seconds,
      double openingSeconds) {
    /** Work of the driver. */
    public static PlannedStage driver(String name, double readBytes, double flops, double seconds) {
      return new PlannedStage(name, false, 1, readBytes, null, flops, seconds, 0);
    }

    /** Seconds from its first task to its last: whole tasks, as many at once as executors. */
    public double seconds(int executors) {
      if (!cluster || tasks == 0) return seconds;
      long rounds = (tasks + executors - 1) / executors;
      return openingSeconds + rounds * (seconds / tasks);
    }
  }

  /** The same work with a stage before it. */
  public WorkPlan after(PlannedStage first) {
    List<PlannedStage> all = new ArrayList<>(stages);
    all.addFirst(first);
    return new WorkPlan(List.copyOf(all), memoryBytes, notes);
  }

  /** Seconds of all stages. */
  public double seconds(int executors) {
    return stages.stream().mapToDouble(stage -> stage.seconds(executors)).sum();
  }
}
