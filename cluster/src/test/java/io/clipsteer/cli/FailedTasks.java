// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.data.folder.Folders;
import java.nio.file.Path;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerTaskEnd;

/** Counts a driver's failed tasks, and removes what they fail by when two have failed. */
public final class FailedTasks extends SparkListener {
  private static final AtomicInteger COUNT = new AtomicInteger();
  private static final AtomicReference<Path> IN_THE_WAY = new AtomicReference<>();

  /** Called by Spark. */
  public FailedTasks() {}

  /** Counts from 0. */
  static void start(Path inTheWay) {
    COUNT.set(0);
    IN_THE_WAY.set(inTheWay);
  }

  static int count() {
    return COUNT.get();
  }

  @Override
  public void onTaskEnd(SparkListenerTaskEnd end) {
    boolean second = end.taskInfo().failed() && COUNT.incrementAndGet() == 2;
    if (second) Folders.delete(Objects.requireNonNull(IN_THE_WAY.get()));
  }
}
