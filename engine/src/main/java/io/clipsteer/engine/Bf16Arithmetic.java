// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * How the CPU multiplies bf16 matrices. With bf16 instructions: in bf16, accumulated in fp32.
 * Without: the operands are widened to fp32, which loses nothing, multiplied in fp32, and the
 * result is rounded to bf16, once for several products in a row ({@link Tensor#forProducts}).
 * Values of bf16 can be stored and added everywhere.
 *
 * <p>The choice is a matter of instruction sets, not of a measurement: the same kind of machine
 * always makes the same choice, and so the same bytes. It honours the variables by which the
 * libraries below are kept to an older instruction set ({@code ATEN_CPU_CAPABILITY}, {@code
 * ONEDNN_MAX_CPU_ISA}). docs/adr/0013-bf16-arithmetic.md has the figures behind it.
 *
 * @param inBf16 whether products run in bf16
 * @param reason why, for people
 */
public record Bf16Arithmetic(boolean inBf16, String reason) {
  private static final Set<String> INSTRUCTIONS = Set.of("avx512_bf16", "amx_bf16");

  /** oneDNN's names of instruction sets with neither of the two. */
  private static final Pattern OLDER =
      Pattern.compile("sse41|avx|avx2|avx2_vnni|avx2_vnni_2|avx512_core|avx512_core_vnni");

  /** The choice for this process. */
  public static final Bf16Arithmetic CPU =
      of(flags(), limit(System.getenv()::get), Engine.cpuCapability());

  /** The name for reports: {@code native} or {@code fp32, rounded}. */
  public String label() {
    return inBf16 ? "native" : "fp32, rounded";
  }

  /**
   * The rule.
   *
   * @param flags the CPU's features, as Linux names them
   * @param limit oneDNN's newest permitted instruction set; empty for no limit
   * @param capability the instruction set that libtorch's own kernels chose
   */
  static Bf16Arithmetic of(Set<String> flags, String limit, String capability) {
    List<String> has = INSTRUCTIONS.stream().filter(flags::contains).sorted().toList();
    if (has.isEmpty()) {
      return new Bf16Arithmetic(false, "the CPU has neither avx512_bf16 nor amx_bf16");
    }
    if (OLDER.matcher(limit.toLowerCase(Locale.ROOT)).matches()) {
      return new Bf16Arithmetic(false, "ONEDNN_MAX_CPU_ISA is " + limit);
    }
    // Below AVX-512, libtorch's other kernels are those of an older machine as well.
    if (!capability.startsWith("AVX512")) {
      return new Bf16Arithmetic(false, "libtorch's kernels are limited to " + capability);
    }
    return new Bf16Arithmetic(true, "the CPU has " + String.join(" and ", has));
  }

  /** What oneDNN reads; the newer name counts first. */
  static String limit(UnaryOperator<String> environment) {
    String newer = environment.apply("ONEDNN_MAX_CPU_ISA");
    return Objects.requireNonNullElse(
        newer == null || newer.isEmpty() ? environment.apply("DNNL_MAX_CPU_ISA") : newer, "");
  }

  /** Features of the first CPU; none where the system does not tell. */
  private static Set<String> flags() {
    try (Stream<String> lines = Files.lines(Path.of("/proc/cpuinfo"))) {
      return lines
          .filter(line -> line.startsWith("flags"))
          .findFirst()
          .map(line -> new TreeSet<>(Arrays.asList(line.split("\\s+"))))
          .orElseGet(TreeSet::new);
    } catch (IOException | UncheckedIOException e) {
      return Set.of(); // not Linux
    }
  }
}
