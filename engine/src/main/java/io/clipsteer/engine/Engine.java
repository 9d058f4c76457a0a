// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine;

import io.clipsteer.data.tensor.DType;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.openblas.presets.openblas_nolapack;
import org.bytedeco.pytorch.global.torch;

/** The process-wide side of libtorch: threads, memory, what it was built with. */
public final class Engine {
  /**
   * Held while a long piece of native work runs, as one update of a whole model. libtorch takes
   * itself apart when the process ends, under threads that still run in it; who ends the process
   * takes this lock first and never gives it back.
   */
  public static final ReentrantLock WORK = new ReentrantLock(true);

  private static final int FIRST_EXTENT = 256;
  private static final Object BLAS = new Object();
  private static int blasUsers;
  private static int blasThreads;

  private Engine() {}

  /**
   * Sets how many threads one tensor operation of this thread, and of later ones, may use.
   * OpenBLAS, which computes products, has one number for the whole process.
   */
  public static void threads(int count) {
    torch.set_num_threads(count);
    synchronized (BLAS) {
      blasThreads = count;
      if (blasUsers == 0) openblas_nolapack.blas_set_num_threads(count);
    }
  }

  /** How many threads one tensor operation uses. */
  public static int threads() {
    return torch.get_num_threads();
  }

  /**
   * Runs work that several threads share, each with small products of its own: OpenBLAS keeps to
   * the thread that calls it meanwhile. Were it to use its pool as well, the two would fight for
   * the cores (20 times slower in attention over 197 tokens). Such work may overlap and nest.
   */
  static <T> T withoutBlasThreads(Supplier<T> work) {
    synchronized (BLAS) {
      if (blasUsers++ == 0) {
        blasThreads = openblas_nolapack.blas_get_num_threads();
        openblas_nolapack.blas_set_num_threads(1);
      }
    }
    try {
      return work.get();
    } finally {
      synchronized (BLAS) {
        if (--blasUsers == 0) openblas_nolapack.blas_set_num_threads(blasThreads);
      }
    }
  }

  /** Version of libtorch, as {@code 2.10.0}, from the library's own description of its build. */
  public static String torchVersion() {
    Matcher m = Pattern.compile("TORCH_VERSION=([0-9.]+)").matcher(torch.show_config().getString());
    return m.find() ? m.group(1) : "unknown";
  }

  /** The instruction set that libtorch's own kernels chose on this CPU, as {@code AVX512}. */
  public static String cpuCapability() {
    return torch.get_cpu_capability().getString();
  }

  /** Number of CUDA GPUs that this build of libtorch sees; 0 in a CPU build. */
  public static int gpuCount() {
    return torch.cuda_is_available() ? Byte.toUnsignedInt(torch.cuda_device_count()) : 0;
  }

  /** Resident memory of this process, in bytes. */
  public static long residentBytes() {
    return Pointer.physicalBytes();
  }

  /**
   * Most resident memory that this process has held, in bytes; where unknown, what it holds now.
   */
  public static long peakBytes() {
    try (Stream<String> lines = Files.lines(Path.of("/proc/self/status"))) {
      return lines
          .filter(line -> line.startsWith("VmHWM:"))
          .mapToLong(line -> 1024 * Long.parseLong(line.replaceAll("\\D", "")))
          .findFirst()
          .orElseGet(Engine::residentBytes);
    } catch (IOException | UncheckedIOException | NumberFormatException e) {
      return residentBytes(); // not Linux
    }
  }

  /**
   * Measures this machine's matrix peak: the best of several products of square matrices, in
   * floating-point operations per second. The extent doubles from 256 while the next product can be
   * expected to end in time.
   *
   * @param dtype F32 or BF16; the latter as {@link Bf16Arithmetic} says
   * @param largest extent of the matrices
   * @param seconds for all of it; two products are timed even if they take longer
   */
  public static double matrixPeak(DType dtype, int largest, double seconds) {
    long end = System.nanoTime() + (long) (seconds * 1e9);
    int n = Math.min(largest, FIRST_EXTENT);
    double best = 0;
    while (true) {
      try (Scope scope = Scope.open()) {
        Tensor a = Tensor.zeros(dtype, n, n).addInPlace(0.5);
        Tensor b = Tensor.zeros(dtype, n, n).addInPlace(0.25);
        long least = Math.min(time(a, b), time(a, b));
        while (n == largest && System.nanoTime() + least < end) least = Math.min(least, time(a, b));
        best = Math.max(best, 2.0 * n * n * n / (least * 1e-9));
        // Two products of twice the extent take sixteen times the time of one.
        if (n == largest || System.nanoTime() + 16 * least > end) return best;
      }
      n = Math.min(2 * n, largest);
    }
  }

  private static long time(Tensor a, Tensor b) {
    try (Scope step = Scope.open()) {
      long start = System.nanoTime();
      a.matmul(b);
      return System.nanoTime() - start;
    }
  }
}
