// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.checkpoint.GoldenCheck;
import io.clipsteer.engine.checkpoint.GoldenTest;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.train.SaeTrainer;
import io.clipsteer.engine.sae.train.SaeVariant;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.DoubleSupplier;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * In what arithmetic bf16 is multiplied, and that the result is the same rounding of the same
 * numbers either way. An older CPU is a child process with the libraries' own limits set.
 */
final class Bf16ArithmeticTest {
  private static final Path MODELS = Path.of("src/test/resources/models");

  @ParameterizedTest
  @CsvSource(
      value = {
        // Zen 5; Sapphire Rapids; Zen 4 kept to other sets by name.
        "avx2 avx512f avx512_bf16, '', AVX512, true, has avx512_bf16",
        "avx2 avx512f avx512_bf16 amx_bf16, '', AVX512, true, has amx_bf16 and avx512_bf16",
        "avx512f avx512_bf16, AVX512_CORE_BF16, AVX512, true, has avx512_bf16",
        "avx512f avx512_bf16, ALL, AVX512, true, has avx512_bf16",
        "avx512f avx512_bf16, no such set, AVX512, true, has avx512_bf16",
        // Zen 3, Skylake-X (AVX-512 without bf16), Arrow Lake (converts bf16 only), a silent
        // system.
        "avx avx2 fma, '', AVX2, false, neither avx512_bf16 nor amx_bf16",
        "avx2 avx512f avx512bw, '', AVX512, false, neither avx512_bf16 nor amx_bf16",
        "avx2 avx_vnni avx_ne_convert, '', AVX2, false, neither avx512_bf16 nor amx_bf16",
        "'', '', DEFAULT, false, neither avx512_bf16 nor amx_bf16",
        // A newer machine kept to an older set.
        "avx512f avx512_bf16, AVX2, AVX512, false, ONEDNN_MAX_CPU_ISA is AVX2",
        "avx512f avx512_bf16, avx512_core_vnni, AVX512, false, avx512_core_vnni",
        "avx512f avx512_bf16, '', AVX2, false, limited to AVX2",
        "avx512f avx512_bf16, '', DEFAULT, false, limited to DEFAULT"
      })
  void theRule(String flags, String limit, String capability, boolean inBf16, String reason) {
    var choice = Bf16Arithmetic.of(Set.of(flags.split(" ")), limit, capability);
    assertEquals(inBf16, choice.inBf16(), choice::reason);
    assertTrue(choice.reason().contains(reason), choice::reason);
    assertEquals(inBf16 ? "native" : "fp32, rounded", choice.label());
  }

  @Test
  void theNewerNameOfTheLimitCounts() {
    assertEquals("", Bf16Arithmetic.limit(name -> null));
    Map<String, String> older = Map.of("DNNL_MAX_CPU_ISA", "AVX2");
    assertEquals("AVX2", Bf16Arithmetic.limit(older::get));
    Map<String, String> both = Map.of("DNNL_MAX_CPU_ISA", "AVX2", "ONEDNN_MAX_CPU_ISA", "ALL");
    assertEquals("ALL", Bf16Arithmetic.limit(both::get));
  }

  @Test
  void productsHere() {
    products();
  }

  @Test
  void anOlderCpuMultipliesInFp32AndRounds() throws IOException, InterruptedException {
    child(Map.of("ATEN_CPU_CAPABILITY", "avx2", "ONEDNN_MAX_CPU_ISA", "AVX2"), "all");
  }

  @Test
  void eachLimitAloneIsHonoured() throws IOException, InterruptedException {
    child(Map.of("ATEN_CPU_CAPABILITY", "avx2"), "products");
    child(Map.of("ONEDNN_MAX_CPU_ISA", "AVX512_CORE"), "products");
    child(Map.of("DNNL_MAX_CPU_ISA", "avx2"), "products");
  }

  private static void child(Map<String, String> environment, String what)
      throws IOException, InterruptedException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(
        List.of(
            "--enable-native-access=ALL-UNNAMED",
            "--sun-misc-unsafe-memory-access=allow",
            "--add-modules=jdk.incubator.vector",
            "-Xmx512m",
            "-Dorg.bytedeco.javacpp.maxBytes=0",
            "-Dorg.bytedeco.javacpp.maxPhysicalBytes=6g",
            "-cp",
            System.getProperty("java.class.path"),
            Bf16ArithmeticTest.class.getName(),
            what));
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.environment().putAll(environment);
    Process process = builder.start();
    process.getOutputStream().close();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertTrue(process.waitFor(1, TimeUnit.MINUTES), output);
    assertEquals(0, process.exitValue(), output);
    assertTrue(output.contains("older CPU: all equal"), output);
  }

  /** The child's part; what fails ends it with a stack trace. */
  public static void main(String[] args) throws IOException {
    assertFalse(Bf16Arithmetic.CPU.inBf16(), Bf16Arithmetic.CPU::reason);
    products();
    if (args[0].equals("all")) {
      proposalsAreExact();
      goldenTowersStayClose();
    }
    System.out.println("older CPU: all equal");
    System.exit(0);
  }

  private static void products() {
    SplittableRandom random = new SplittableRandom(4);
    // Few rows take a plain product, many a convolution, three dimensions a batched one.
    for (int rows : new int[] {1, 7, 127, 128, 300}) {
      wholeNumbers(random, rows, 48, 33);
      fractions(random, rows, 193, 40);
    }
    batches(random);
    attention(random);
    gradients(random);
  }

  /** Sums of these are whole numbers that fp32 holds: rounding them is all there is to do. */
  private static void wholeNumbers(SplittableRandom random, int rows, int in, int out) {
    float[] x = numbers(rows * in, () -> random.nextInt(-16, 17));
    float[] w = numbers(out * in, () -> random.nextInt(-16, 17));
    float[] bias = numbers(out, () -> random.nextInt(-99, 100));
    float[] expected = new float[rows * out];
    for (int r = 0; r < rows; r++) {
      for (int o = 0; o < out; o++) {
        long sum = (long) bias[o];
        for (int i = 0; i < in; i++) sum += (long) x[r * in + i] * (long) w[o * in + i];
        expected[r * out + o] = nearest(sum);
      }
    }
    try (Scope scope = Scope.open()) {
      Tensor rowsOfX = Tensor.of(x, rows, in).to(DType.BF16);
      Tensor weight = Tensor.of(w, out, in).to(DType.BF16);
      Tensor result = rowsOfX.linear(weight, Tensor.of(bias, out).to(DType.BF16));
      assertEquals(DType.BF16, result.dtype());
      assertArrayEquals(expected, result.toFloats());
      Tensor zero = Tensor.zeros(DType.BF16, out);
      assertArrayEquals(
          rowsOfX.linear(weight, zero).toFloats(), rowsOfX.linear(weight, null).toFloats());
      assertArrayEquals(
          rowsOfX.linear(weight, null).toFloats(),
          rowsOfX.matmul(weight.transpose(0, 1)).toFloats());
    }
  }

  /** Of sums in fp32 that are near the middle between two bf16, a few may round the other way. */
  private static void fractions(SplittableRandom random, int rows, int in, int out) {
    float[] x = numbers(rows * in, () -> nearest(random.nextGaussian()));
    float[] w = numbers(out * in, () -> nearest(random.nextGaussian()));
    int other = 0;
    try (Scope scope = Scope.open()) {
      float[] actual =
          Tensor.of(x, rows, in)
              .to(DType.BF16)
              .linear(Tensor.of(w, out, in).to(DType.BF16), null)
              .toFloats();
      for (int at = 0; at < actual.length; at++) {
        double sum = 0;
        for (int i = 0; i < in; i++) {
          sum += (double) x[at / out * in + i] * w[at % out * in + i];
        }
        if (actual[at] != nearest(sum)) other++;
        // One bf16 further at most: 8 bits of mantissa; or, of terms that cancel, fp32's error.
        assertEquals(sum, actual[at], Math.abs(sum) / 128 + 1e-4);
      }
    }
    assertTrue(other <= 1 + rows * out / 200, other + " of " + rows * out + " differ");
  }

  private static void batches(SplittableRandom random) {
    int n = 3;
    int d = 4;
    float[] a = numbers(2 * n * d, () -> random.nextInt(-9, 10));
    float[] b = numbers(2 * d * n, () -> random.nextInt(-9, 10));
    float[] expected = new float[2 * n * n];
    for (int at = 0; at < expected.length; at++) {
      int batch = at / (n * n);
      long sum = 0;
      for (int i = 0; i < d; i++) {
        sum += (long) a[(batch * n + at / n % n) * d + i] * (long) b[(batch * d + i) * n + at % n];
      }
      expected[at] = nearest(sum);
    }
    try (Scope scope = Scope.open()) {
      Tensor left = Tensor.of(a, 2, n, d).to(DType.BF16);
      assertArrayEquals(
          expected, left.matmul(Tensor.of(b, 2, d, n).to(DType.BF16)).toFloats(), "batched");
    }
  }

  /** Against float32 attention of the same rounded numbers; its layout serves the caller. */
  private static void attention(SplittableRandom random) {
    int[] shape = {2, 3, 9, 16};
    int count = Arrays.stream(shape).reduce(1, (x, y) -> x * y);
    long[] extents = Arrays.stream(shape).asLongStream().toArray();
    try (Scope scope = Scope.open()) {
      Tensor[] bf16 = new Tensor[3];
      for (int i = 0; i < 3; i++) {
        bf16[i] = Tensor.of(numbers(count, random::nextGaussian), extents).to(DType.BF16);
      }
      for (boolean causal : new boolean[] {false, true}) {
        Tensor result = bf16[0].attention(bf16[1], bf16[2], causal);
        assertEquals(DType.BF16, result.dtype());
        float[] exact =
            bf16[0]
                .to(DType.F32)
                .attention(bf16[1].to(DType.F32), bf16[2].to(DType.F32), causal)
                .toFloats();
        assertArrayEquals(exact, result.toFloats(), 3e-2f);
      }
    }
  }

  /** The derivative of Σ x·Wᵀ by x is the sum of W's rows, by W the sum of x's. */
  private static void gradients(SplittableRandom random) {
    int rows = 130;
    int in = 5;
    int out = 6;
    float[] x = numbers(rows * in, () -> random.nextInt(-4, 5));
    float[] w = numbers(out * in, () -> random.nextInt(-4, 5));
    float[] byX = new float[rows * in];
    float[] byW = new float[out * in];
    for (int at = 0; at < byX.length; at++) {
      for (int o = 0; o < out; o++) byX[at] += w[o * in + at % in];
    }
    for (int at = 0; at < byW.length; at++) {
      for (int r = 0; r < rows; r++) byW[at] += x[r * in + at % in];
    }
    try (Scope scope = Scope.openRecording()) {
      Tensor gradientX = Tensor.zeros(DType.F32, rows, in);
      Tensor gradientW = Tensor.zeros(DType.F32, out, in);
      Tensor left = Tensor.of(x, rows, in).trainable(gradientX).to(DType.BF16);
      Tensor right = Tensor.of(w, out, in).trainable(gradientW).to(DType.BF16);
      left.linear(right, null).sum(DType.F32).backward();
      assertArrayEquals(byX, gradientX.toFloats());
      for (int at = 0; at < byW.length; at++) byW[at] = nearest(byW[at]);
      assertArrayEquals(byW, gradientW.toFloats());
    }
  }

  /** Without bf16 products a TopK step is the exact one, to the last bit. */
  private static void proposalsAreExact() {
    double[][] losses = new double[2][5];
    for (int product = 0; product < 2; product++) {
      var config =
          SaeTrainer.Config.of(
              new SaeVariant.TopK(8),
              24,
              300,
              InputNormalisation.Kind.LAYER_NORM,
              product == 0 ? DType.F32 : DType.BF16,
              3);
      SplittableRandom random = new SplittableRandom(5);
      try (Scope scope = Scope.open()) {
        Tensor x = Tensor.of(numbers(64 * 24, random::nextGaussian), 64, 24);
        try (SaeTrainer trainer = new SaeTrainer(config, x)) {
          for (int step = 0; step < 5; step++) losses[product][step] = trainer.step(x, 1e-3).loss();
        }
      }
    }
    assertArrayEquals(losses[0], losses[1]);
  }

  /** As GoldenTest asks of bf16. */
  private static void goldenTowersStayClose() throws IOException {
    List<Path> folders;
    try (var all = Files.list(MODELS)) {
      folders = all.sorted().toList();
    }
    assertTrue(folders.size() > 5);
    for (Path folder : folders) {
      Path checkpoint = GoldenTest.checkpoint(folder);
      try (ClipModel model = ClipModel.load(checkpoint, DType.BF16, Device.CPU)) {
        var result = GoldenCheck.run(model, folder, null);
        for (double cosine : result.cosines().values()) {
          assertTrue(cosine >= 0.999, () -> folder + " " + result);
        }
      }
    }
  }

  private static float[] numbers(int count, DoubleSupplier next) {
    float[] numbers = new float[count];
    for (int i = 0; i < count; i++) numbers[i] = (float) next.getAsDouble();
    return numbers;
  }

  /** The nearest bf16, ties to even, found among neighbours by their distances. */
  private static float nearest(double value) {
    int cut = Float.floatToRawIntBits((float) value) & 0xffff0000;
    // Below 2^24 and of 8-bit operands, (float) value is exact or far finer than a bf16.
    return LongStream.of(cut, cut + 0x10000L)
        .mapToObj(bits -> Float.intBitsToFloat((int) bits))
        .min(
            (a, b) -> {
              int nearer = Double.compare(Math.abs(a - value), Math.abs(b - value));
              return nearer != 0
                  ? nearer
                  : Integer.compare(
                      Float.floatToRawIntBits(a) >> 16 & 1, Float.floatToRawIntBits(b) >> 16 & 1);
            })
        .orElseThrow();
  }
}
