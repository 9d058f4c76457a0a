// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.bench;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Engine;
import io.clipsteer.engine.checkpoint.ClipModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

/**
 * What loading a model costs: {@code LoadBench MODEL fp32|bf16}. Prints one JSON line: the size of
 * the weight file, seconds, and by how much the resident memory grew at its peak and in the end.
 * Linux only, from {@code /proc/self}; run by {@code bench/peers/measure_loading.py}.
 */
public final class LoadBench {
  private LoadBench() {}

  /** Runs it. */
  public static void main(String[] args) throws IOException {
    DType dtype = args[1].equals("bf16") ? DType.BF16 : DType.F32;
    Engine.threads(); // loads the native libraries
    Files.writeString(Path.of("/proc/self/clear_refs"), "5");
    long before = status("VmRSS:");
    long start = System.nanoTime();
    try (ClipModel model = ClipModel.load(Path.of(args[0]), dtype, Device.CPU)) {
      double seconds = (System.nanoTime() - start) * 1e-9;
      System.out.printf(
          Locale.ROOT,
          "{\"dtype\": \"%s\", \"parameters\": %d, \"file_bytes\": %d, \"seconds\": %.2f, "
              + "\"peak_bytes\": %d, \"end_bytes\": %d}%n",
          args[1],
          model.source().parameters(),
          Files.size(model.source().weights()),
          seconds,
          status("VmHWM:") - before,
          status("VmRSS:") - before);
    }
    System.exit(0);
  }

  /** A size of the kernel's in bytes. */
  private static long status(String field) throws IOException {
    return Files.readAllLines(Path.of("/proc/self/status")).stream()
        .filter(line -> line.startsWith(field))
        .mapToLong(line -> 1024 * Long.parseLong(line.replaceAll("\\D", "")))
        .findFirst()
        .orElseThrow();
  }
}
