// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.cli.option.ClusterOptions;
import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.show.Lines;
import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.engine.Engine;
import io.clipsteer.lab.block.BlockCluster;
import io.clipsteer.lab.block.ExecutorReport;
import io.clipsteer.lab.run.Counted;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code cluster doctor}. */
@Command(
    name = "doctor",
    description = {
      "Check a cluster's executors: processors, libtorch, JDK, memory, clocks, the shared folder.",
      "Exit code 1 where a command would fail there or its results would differ."
    },
    footer =
        "Example: clipsteer cluster doctor --master spark://head:7077 --threads 4 --folder /shared")
final class ClusterDoctorCommand implements Runnable {
  private static final double GIB = 1L << 30;

  /** Difference of clocks that nothing of ours depends on, but logs do. */
  private static final long MOST_MILLISECONDS = 2000;

  @Mixin private CommonOptions common;
  @Mixin private ClusterOptions cluster;

  @Option(
      names = "--folder",
      paramLabel = "DIR",
      description = "A folder that is there and that all machines should share: that of --out.")
  private @Nullable Path folder;

  /**
   * What is wrong.
   *
   * @param remedy what to do
   */
  private record Finding(String what, String remedy) {}

  private record Json(
      String master,
      int threads,
      String driverLibtorch,
      String driverCpu,
      List<ExecutorReport> executors,
      List<Long> clockMillis,
      @Nullable String folder,
      List<Finding> findings) {}

  @Override
  public void run() {
    common.apply();
    Path mark = folder == null ? null : mark(folder);
    try {
      BlockCluster.ClusterReport report = cluster.survey(common, mark);
      List<Finding> findings = findings(report, mark);
      var json =
          new Json(
              cluster.master(),
              common.givenThreads(),
              Engine.torchVersion(),
              Engine.cpuCapability(),
              report.executors(),
              report.clockMillis(),
              folder == null ? null : folder.toAbsolutePath().normalize().toString(),
              findings);
      common.print(json, text(json));
      if (findings.isEmpty()) return;
      Finding first = findings.getFirst();
      throw new InputException("the cluster", first.what, first.remedy);
    } finally {
      if (mark != null) sweep(mark);
    }
  }

  private static Path mark(Path folder) {
    if (!Files.isDirectory(folder)) {
      throw new InputException("--folder " + folder, "is no folder", "Make it, or name another");
    }
    Path mark =
        folder
            .toAbsolutePath()
            .normalize()
            .resolve("clipsteer-doctor-" + ProcessHandle.current().pid());
    AtomicFiles.writeText(mark, "clipsteer cluster doctor\n");
    return mark;
  }

  private static List<Path> answers(Path mark) {
    try (Stream<Path> all = Files.list(mark.resolveSibling(""))) {
      return all.filter(file -> file.toString().startsWith(mark + ".")).toList();
    } catch (IOException e) {
      return List.of();
    }
  }

  private static void sweep(Path mark) {
    try {
      for (Path answer : answers(mark)) Files.deleteIfExists(answer);
      Files.deleteIfExists(mark);
    } catch (IOException e) {
      System.err.println(mark + " cannot be deleted: delete it");
    }
  }

  private List<Finding> findings(BlockCluster.ClusterReport report, @Nullable Path mark) {
    List<Finding> findings = new ArrayList<>();
    List<ExecutorReport> all = report.executors();
    for (ExecutorReport one : all) {
      if (one.fault().isEmpty()) continue;
      findings.add(
          new Finding(
              name(one) + ": " + one.fault(),
              "The folder ~/.javacpp of its user must be writable and allow programs"
                  + " (ORG_BYTEDECO_JAVACPP_CACHEDIR names another)"));
    }
    List<ExecutorReport> sound = all.stream().filter(one -> one.fault().isEmpty()).toList();
    if (!cluster.isMixed()) {
      differs(findings, sound, "kinds of processors", ExecutorReport::cpu, "or give --mixed");
    }
    differs(findings, sound, "versions of libtorch", ExecutorReport::libtorch, "with one program");
    differs(findings, sound, "versions of Java", ExecutorReport::java, "with one JDK");
    String own = Engine.cpuCapability();
    if (!cluster.isMixed() && sound.stream().noneMatch(one -> one.cpu().equals(own))) {
      findings.add(
          new Finding(
              "the executors' processors are not of the driver's kind, " + own,
              "Start the command on a machine of the executors' kind: it computes a part itself"));
    }
    memory(findings, all);
    for (int i = 0; i < all.size(); i++) {
      if (Math.abs(report.clockMillis().get(i)) <= MOST_MILLISECONDS) continue;
      findings.add(
          new Finding(
              name(all.get(i)) + ": its clock is " + report.clockMillis().get(i) + " ms off",
              "Synchronise it (NTP)"));
    }
    if (mark != null) folder(findings, all, answers(mark).size());
    return findings;
  }

  private static void differs(
      List<Finding> findings,
      List<ExecutorReport> all,
      String what,
      Function<ExecutorReport, String> of,
      String remedy) {
    List<String> kinds = all.stream().map(of).distinct().sorted().toList();
    if (kinds.size() < 2) return;
    findings.add(
        new Finding(
            "has several " + what + ": " + String.join(", ", kinds),
            "Choose machines of one kind, " + remedy));
  }

  /** The heaps of a machine's executors must leave room for tensors. */
  private static void memory(List<Finding> findings, List<ExecutorReport> all) {
    Map<String, Long> heaps = new TreeMap<>();
    Map<String, Long> memory = new TreeMap<>();
    for (ExecutorReport one : all) {
      heaps.merge(one.host(), one.heapBytes(), Long::sum);
      memory.put(one.host(), one.memoryBytes());
    }
    heaps.forEach(
        (host, heap) -> {
          long most = memory.getOrDefault(host, Long.MAX_VALUE);
          if (heap <= most / 2) return;
          findings.add(
              new Finding(
                  Lines.of(
                      "%s: its executors' Java memory is %.1f of %.1f GiB, and tensors are beside"
                          + " it",
                      host, heap / GIB, most / GIB),
                  "Lower spark.executor.memory to half of the machine's share of an executor"));
        });
  }

  private static void folder(List<Finding> findings, List<ExecutorReport> all, int answers) {
    for (ExecutorReport one : all) {
      if (one.folderFault().isEmpty()) continue;
      findings.add(
          new Finding(
              name(one) + ": the folder is not shared: " + one.folderFault(),
              "Mount one file system at the same path on every machine"));
    }
    long wrote = all.stream().filter(one -> one.folderFault().isEmpty()).count();
    if (answers >= wrote) return;
    findings.add(
        new Finding(
            "the driver does not see what " + (wrote - answers) + " executors have written",
            "Mount one file system at the same path on every machine"));
  }

  private static String name(ExecutorReport one) {
    return one.host() + " (process " + one.process() + ")";
  }

  private static String text(Json result) {
    Lines text = new Lines();
    for (int i = 0; i < result.executors.size(); i++) {
      ExecutorReport one = result.executors.get(i);
      text.add(
          "%s: %s, libtorch %s, Java %s, %d processors, %s, %d GPUs, Java memory %.1f of"
              + " %.1f GiB, clock %+d ms, folder %s%n",
          name(one),
          one.cpu(),
          one.libtorch(),
          one.java(),
          one.processors(),
          Counted.of(one.threads(), "thread"),
          one.gpus(),
          one.heapBytes() / GIB,
          one.memoryBytes() / GIB,
          result.clockMillis.get(i),
          result.folder == null
              ? "not checked (--folder)"
              : one.folderFault().isEmpty() ? "shared" : "NOT shared");
    }
    for (Finding finding : result.findings) {
      text.add("! the cluster: %s. %s%n", finding.what, finding.remedy);
    }
    if (result.findings.isEmpty()) text.add("nothing is wrong with these executors%n");
    return text.toString();
  }
}
