// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import com.sun.management.OperatingSystemMXBean;
import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.show.Lines;
import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Bf16Arithmetic;
import io.clipsteer.engine.Engine;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryManagerMXBean;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code doctor}: what the program runs on. */
@Command(
    name = "doctor",
    description = "Check the machine: JDK, libtorch, CPU, matrix throughput, memory, disk, GPU.",
    footer = "Example: clipsteer doctor --json")
final class DoctorCommand implements Runnable {
  private static final int EXTENT = 2048;
  private static final double SECONDS = 1.5;

  @Mixin private CommonOptions common;

  @Override
  public void run() {
    common.apply();
    Map<String, Object> result = new LinkedHashMap<>();
    result.put("device", common.device().toString());
    result.put("java", System.getProperty("java.runtime.version"));
    result.put("java_vendor", System.getProperty("java.vendor"));
    result.put("collector", collector());
    String warning = warning(Runtime.version(), collector());
    if (!warning.isEmpty()) result.put("java_warning", warning);
    result.put("os", System.getProperty("os.name") + " " + System.getProperty("os.arch"));
    result.put("libtorch", Engine.torchVersion());
    result.put("cpu_capability", Engine.cpuCapability());
    result.put("processors", Runtime.getRuntime().availableProcessors());
    result.put("threads", Engine.threads());
    result.put("fp32_gflops", Engine.matrixPeak(DType.F32, EXTENT, SECONDS) / 1e9);
    result.put("bf16_arithmetic", Bf16Arithmetic.CPU.label());
    result.put("bf16_reason", Bf16Arithmetic.CPU.reason());
    result.put("bf16_gflops", Engine.matrixPeak(DType.BF16, EXTENT, SECONDS) / 1e9);
    var system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    result.put("memory_bytes", system.getTotalMemorySize());
    result.put("memory_free_bytes", system.getFreeMemorySize());
    result.put("heap_max_bytes", Runtime.getRuntime().maxMemory());
    result.put("disk_free_bytes", diskFree());
    result.put("gpus", Engine.gpuCount());
    common.print(result, text(result));
  }

  private static String collector() {
    String names =
        ManagementFactory.getGarbageCollectorMXBeans().stream()
            .map(MemoryManagerMXBean::getName)
            .collect(Collectors.joining(", "));
    return names.startsWith("PS ") ? "parallel" : names.replaceFirst(" .*", "");
  }

  /** JDK-8377811 corrupts pinned memory under G1 in 25.0.0 to 25.0.2; empty for other versions. */
  static String warning(Runtime.Version java, String collector) {
    if (java.feature() != 25 || java.interim() != 0 || java.update() > 2) return "";
    String defect = "JDK 25.0.0 to 25.0.2 can corrupt memory under G1 (JDK-8377811)";
    return collector.equals("G1")
        ? defect + ": update the JDK, or start with ./clipsteer, which chooses another collector"
        : defect + "; the " + collector + " collector is used, which is safe. Update the JDK";
  }

  private static long diskFree() {
    Path here = Path.of("").toAbsolutePath();
    try {
      FileStore store = Files.getFileStore(here);
      return store.getUsableSpace();
    } catch (IOException e) {
      throw new InputException(
          here, "free disk space is unknown: " + Reasons.of(e), "Check the folder", e);
    }
  }

  private static String text(Map<String, Object> result) {
    Lines text = new Lines();
    result.forEach(
        (key, value) -> {
          String shown =
              value instanceof Long bytes && key.endsWith("_bytes")
                  ? Lines.of("%.1f GiB", bytes / (double) (1L << 30))
                  : value instanceof Double number
                      ? Lines.of("%.0f", number)
                      : String.valueOf(value);
          text.add("%-18s %s%n", key.replace("_bytes", ""), shown);
        });
    return text.toString();
  }
}
