// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cluster;

import com.sun.management.OperatingSystemMXBean;
import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import io.clipsteer.engine.Engine;
import io.clipsteer.lab.block.BlockCluster.ClusterReport;
import io.clipsteer.lab.block.ExecutorReport;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.apache.spark.api.java.JavaSparkContext;
import org.jspecify.annotations.Nullable;

/** Asks the executors of a cluster what they are. */
final class ExecutorSurvey {
  /** How long executors are awaited. */
  private static final long MOST_SECONDS = 60;

  /** How long none may come after the last. */
  private static final long QUIET_SECONDS = 3;

  /** How long a task stays, so that each executor gets one. */
  private static final long STAY_MILLISECONDS = 50;

  private ExecutorSurvey() {}

  /**
   * Waits until no more executors register.
   *
   * @return how many there are
   */
  static int registered(JavaSparkContext spark, String master) throws InterruptedException {
    // In one process the driver is the executor; elsewhere it is listed beside them.
    int driver = master.startsWith("local[") || master.equals("local") ? 0 : 1;
    long start = System.nanoTime();
    long last = start;
    int known = 0;
    while (true) {
      int now = spark.sc().statusTracker().getExecutorInfos().length - driver;
      if (now != known) last = System.nanoTime();
      known = now;
      if (known > 0 && (driver == 0 || seconds(last) >= QUIET_SECONDS)) return known;
      if (seconds(start) >= MOST_SECONDS) {
        throw new InputException(
            "the cluster",
            "has given no executor in " + MOST_SECONDS + " s",
            "Check that it is running and has processors and memory free (spark.executor.memory,"
                + " spark.executor.cores)");
      }
      Thread.sleep(100);
    }
  }

  private static double seconds(long since) {
    return (System.nanoTime() - since) * 1e-9;
  }

  /** Asks twice: the first answers take long, since libtorch is unpacked and loaded. */
  static ClusterReport ask(
      JavaSparkContext spark, int executors, int threads, @Nullable Path marked) {
    String mark = marked == null ? "" : marked.toString();
    int tasks = 4 * Math.max(executors, spark.defaultParallelism());
    all(spark, tasks, threads, mark);
    long before = System.currentTimeMillis();
    Map<String, ExecutorReport> reports = all(spark, tasks, threads, mark);
    long after = System.currentTimeMillis();
    List<Long> clocks = new ArrayList<>();
    for (ExecutorReport one : reports.values()) {
      clocks.add(one.clock() - Math.clamp(one.clock(), before, after));
    }
    return new ClusterReport(List.copyOf(reports.values()), List.copyOf(clocks));
  }

  private static Map<String, ExecutorReport> all(
      JavaSparkContext spark, int tasks, int threads, String mark) {
    Map<String, ExecutorReport> reports = new TreeMap<>();
    spark
        .parallelize(IntStream.range(0, tasks).boxed().toList(), tasks)
        .map(
            one -> {
              Thread.sleep(STAY_MILLISECONDS);
              return here(threads, mark);
            })
        .collect()
        .forEach(one -> reports.put(one.host() + " " + one.process(), one));
    return reports;
  }

  /** What this process says of itself. */
  static ExecutorReport here(int threads, String mark) {
    String fault = "";
    String libtorch = "";
    String cpu = "";
    int used = 0;
    int gpus = 0;
    try {
      Engine.threads(threads);
      libtorch = Engine.torchVersion();
      cpu = Engine.cpuCapability();
      used = Engine.threads();
      gpus = Engine.gpuCount();
    } catch (LinkageError | RuntimeException e) {
      fault = "libtorch cannot be loaded: " + e;
    }
    var system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    return new ExecutorReport(
        host(),
        ProcessHandle.current().pid(),
        System.getProperty("java.runtime.version"),
        libtorch,
        cpu,
        Runtime.getRuntime().availableProcessors(),
        used,
        gpus,
        Runtime.getRuntime().maxMemory(),
        system.getTotalMemorySize(),
        System.currentTimeMillis(),
        fault,
        mark.isEmpty() ? "" : folderFault(Path.of(mark)));
  }

  private static String host() {
    try {
      return InetAddress.getLocalHost().getHostName();
    } catch (UnknownHostException e) {
      return "unknown";
    }
  }

  /** Reads the driver's file, and writes one beside it that the driver can see. */
  private static String folderFault(Path mark) {
    if (!Files.isRegularFile(mark)) return "the driver's files are not there";
    Path own = mark.resolveSibling(mark.getFileName() + "." + host() + "-" + pid());
    try {
      Files.writeString(own, host());
      return "";
    } catch (IOException e) {
      return "it cannot be written: " + Reasons.of(e);
    }
  }

  private static long pid() {
    return ProcessHandle.current().pid();
  }
}
