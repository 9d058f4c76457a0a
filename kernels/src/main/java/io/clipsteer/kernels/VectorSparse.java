// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.kernels;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.function.ObjIntConsumer;
import java.util.stream.IntStream;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;
import org.jspecify.annotations.Nullable;

/** The Vector API's implementation; sums in float32. */
final class VectorSparse implements SparseKernels {
  static final VectorSparse INSTANCE = new VectorSparse();

  private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
  private static final int LANES = SPECIES.length();
  private static final VectorShuffle<Float>[] HALVES = halves();
  private static final ByteOrder ORDER = ByteOrder.nativeOrder();
  private static final ValueLayout.OfFloat F32 = ValueLayout.JAVA_FLOAT_UNALIGNED;
  private static final ValueLayout.OfInt I32 = ValueLayout.JAVA_INT_UNALIGNED;

  private VectorSparse() {}

  /** Runs all rows, in chunks of consecutive rows that share scratch memory [width]. */
  private static void parallel(int rows, int width, ObjIntConsumer<float[]> work) {
    int chunks = Math.min(rows, 16 * Runtime.getRuntime().availableProcessors());
    IntStream.range(0, chunks)
        .parallel()
        .forEach(
            chunk -> {
              float[] scratch = new float[width];
              int end = (int) ((long) rows * (chunk + 1) / chunks);
              for (int row = (int) ((long) rows * chunk / chunks); row < end; row++) {
                work.accept(scratch, row);
              }
            });
  }

  /** Product of row i of a with row j of b. */
  private static float dot(MemorySegment a, long i, MemorySegment b, long j, int width) {
    long atA = 4 * i * width;
    long atB = 4 * j * width;
    FloatVector sum0 = FloatVector.zero(SPECIES);
    FloatVector sum1 = FloatVector.zero(SPECIES);
    int c = 0;
    for (; c <= width - 2 * LANES; c += 2 * LANES) {
      long next = 4L * (c + LANES);
      sum0 = vector(a, atA + 4L * c).fma(vector(b, atB + 4L * c), sum0);
      sum1 = vector(a, atA + next).fma(vector(b, atB + next), sum1);
    }
    for (; c < width; c += LANES) {
      VectorMask<Float> mask = SPECIES.indexInRange(c, width);
      sum0 = vector(a, atA + 4L * c, mask).fma(vector(b, atB + 4L * c, mask), sum0);
    }
    return total(sum0.add(sum1));
  }

  /**
   * Sum of the lanes in a fixed order; {@code reduceLanes} leaves the order open, and compiled code
   * uses another one than interpreted code.
   */
  private static float total(FloatVector v) {
    for (VectorShuffle<Float> half : HALVES) v = v.add(v.rearrange(half));
    return v.lane(0);
  }

  @SuppressWarnings({"unchecked", "rawtypes"})
  private static VectorShuffle<Float>[] halves() {
    VectorShuffle[] halves = new VectorShuffle[Integer.numberOfTrailingZeros(LANES)];
    for (int i = 0; i < halves.length; i++) {
      int half = LANES >> (i + 1);
      halves[i] = VectorShuffle.fromOp(SPECIES, lane -> (lane + half) % LANES);
    }
    return halves;
  }

  private static FloatVector vector(MemorySegment memory, long at) {
    return FloatVector.fromMemorySegment(SPECIES, memory, at, ORDER);
  }

  private static FloatVector vector(MemorySegment memory, long at, VectorMask<Float> mask) {
    return FloatVector.fromMemorySegment(SPECIES, memory, at, ORDER, mask);
  }

  @Override
  public void rescore(MemorySegment input, SparseRows candidates, Affine encoder) {
    parallel(
        candidates.rows(),
        0,
        (scratch, row) -> {
          for (int e = candidates.starts()[row]; e < candidates.starts()[row + 1]; e++) {
            int feature = candidates.indices().get(I32, 4L * e);
            float product = dot(input, row, encoder.weights(), feature, encoder.width());
            candidates.values().set(F32, 4L * e, product + encoder.bias().get(F32, 4L * feature));
          }
        });
  }

  @Override
  public void decode(SparseRows code, Affine decoder, MemorySegment out) {
    int width = decoder.width();
    parallel(
        code.rows(),
        width,
        (scratch, row) -> {
          decode(code, row, decoder, scratch);
          MemorySegment.copy(scratch, 0, out, F32, 4L * row * width, width);
        });
  }

  @Override
  public double[] reconstruct(
      SparseRows code,
      Affine decoder,
      GradientTarget target,
      MemorySegment gradient,
      MemorySegment codeGradient) {
    double[] squares = new double[code.rows()];
    parallel(
        code.rows(),
        decoder.width(),
        (scratch, row) -> {
          decode(code, row, decoder, scratch);
          squares[row] = error(scratch, target, row, gradient);
          backward(code, row, decoder, target, gradient, codeGradient);
        });
    return squares;
  }

  /** The gradient of a row's entries. */
  private static void backward(
      SparseRows code,
      int row,
      Affine decoder,
      GradientTarget target,
      MemorySegment gradient,
      MemorySegment codeGradient) {
    for (int e = code.starts()[row]; e < code.starts()[row + 1]; e++) {
      float back = 0;
      if (code.values().get(F32, 4L * e) > 0) {
        int feature = code.indices().get(I32, 4L * e);
        back =
            dot(gradient, row, decoder.weights(), feature, decoder.width())
                + (float) target.penalty();
      }
      codeGradient.set(F32, 4L * e, back);
    }
  }

  /** Adds four features at a time, so that the sum is loaded and stored once for four. */
  private static void decode(SparseRows code, int row, Affine from, float[] scratch) {
    int width = from.width();
    MemorySegment decoder = from.weights();
    MemorySegment.copy(from.bias(), F32, 0, scratch, 0, width);
    int e = code.starts()[row];
    int end = code.starts()[row + 1];
    for (; e + 4 <= end; e += 4) {
      long a = 4L * code.indices().get(I32, 4L * e) * width;
      long b = 4L * code.indices().get(I32, 4L * e + 4) * width;
      long c = 4L * code.indices().get(I32, 4L * e + 8) * width;
      long d = 4L * code.indices().get(I32, 4L * e + 12) * width;
      float va = code.values().get(F32, 4L * e);
      float vb = code.values().get(F32, 4L * e + 4);
      float vc = code.values().get(F32, 4L * e + 8);
      float vd = code.values().get(F32, 4L * e + 12);
      int i = 0;
      for (; i <= width - LANES; i += LANES) {
        FloatVector sum = FloatVector.fromArray(SPECIES, scratch, i);
        sum = vector(decoder, a + 4L * i).fma(FloatVector.broadcast(SPECIES, va), sum);
        sum = vector(decoder, b + 4L * i).fma(FloatVector.broadcast(SPECIES, vb), sum);
        sum = vector(decoder, c + 4L * i).fma(FloatVector.broadcast(SPECIES, vc), sum);
        sum = vector(decoder, d + 4L * i).fma(FloatVector.broadcast(SPECIES, vd), sum);
        sum.intoArray(scratch, i);
      }
      for (; i < width; i++) {
        scratch[i] += va * decoder.get(F32, a + 4L * i) + vb * decoder.get(F32, b + 4L * i);
        scratch[i] += vc * decoder.get(F32, c + 4L * i) + vd * decoder.get(F32, d + 4L * i);
      }
    }
    for (; e < end; e++) {
      long a = 4L * code.indices().get(I32, 4L * e) * width;
      add(scratch, code.values().get(F32, 4L * e), decoder, a, width);
    }
  }

  /** scratch += factor · row. */
  private static void add(float[] scratch, float factor, MemorySegment matrix, long at, int width) {
    int i = 0;
    for (; i <= width - LANES; i += LANES) {
      vector(matrix, at + 4L * i)
          .fma(FloatVector.broadcast(SPECIES, factor), FloatVector.fromArray(SPECIES, scratch, i))
          .intoArray(scratch, i);
    }
    for (; i < width; i++) scratch[i] += factor * matrix.get(F32, at + 4L * i);
  }

  /** Σ error² of a row; writes the scaled error. */
  private static double error(
      float[] decoded, GradientTarget target, int row, MemorySegment gradient) {
    int width = decoded.length;
    float scale = target.scales().get(F32, 4L * row);
    long base = 4L * row * width;
    FloatVector squares = FloatVector.zero(SPECIES);
    for (int i = 0; i < width; i += LANES) {
      VectorMask<Float> mask = SPECIES.indexInRange(i, width);
      FloatVector error =
          FloatVector.fromArray(SPECIES, decoded, i, mask)
              .sub(vector(target.rows(), base + 4L * i, mask));
      squares = error.fma(error, squares);
      error.mul(scale).intoMemorySegment(gradient, base + 4L * i, ORDER, mask);
    }
    return total(squares);
  }

  @Override
  public void adam(SparseGradient sparse, Moments matrix, Adam settings, boolean unitRows) {
    int width = sparse.width();
    parallel(
        sparse.features(),
        width,
        (gradient, feature) -> {
          gradient(feature, sparse, gradient);
          long base = 4L * feature * width;
          if (unitRows) orthogonal(gradient, matrix.value(), base, width);
          update(gradient, matrix, base, width, settings);
          if (unitRows) unit(matrix.value(), feature, width);
        });
  }

  private static void gradient(int feature, SparseGradient sparse, float[] gradient) {
    SparseRows.ByColumn order = sparse.order();
    int width = gradient.length;
    Arrays.fill(gradient, 0);
    for (int at = order.starts()[feature]; at < order.starts()[feature + 1]; at++) {
      float coefficient = sparse.coefficients().get(F32, 4L * order.entry()[at]);
      add(gradient, coefficient, sparse.rows(), 4L * order.row()[at] * width, width);
    }
  }

  @Override
  public double gradientSquares(SparseGradient sparse, @Nullable MemorySegment unitRows) {
    int width = sparse.width();
    int[] starts = sparse.order().starts();
    double[] squares = new double[sparse.features()];
    parallel(
        sparse.features(),
        width,
        (gradient, feature) -> {
          if (starts[feature] == starts[feature + 1]) return;
          gradient(feature, sparse, gradient);
          if (unitRows != null) orthogonal(gradient, unitRows, 4L * feature * width, width);
          squares[feature] = square(gradient, width);
        });
    // Summed in the features' order: the same for any number of threads.
    double sum = 0;
    for (double square : squares) sum += square;
    return sum;
  }

  private static double square(float[] values, int width) {
    FloatVector sum = FloatVector.zero(SPECIES);
    for (int i = 0; i < width; i += LANES) {
      FloatVector v = FloatVector.fromArray(SPECIES, values, i, SPECIES.indexInRange(i, width));
      sum = v.fma(v, sum);
    }
    return total(sum);
  }

  /** Removes a gradient's part along a unit row. */
  private static void orthogonal(float[] gradient, MemorySegment row, long base, int width) {
    FloatVector sum = FloatVector.zero(SPECIES);
    for (int i = 0; i < width; i += LANES) {
      VectorMask<Float> mask = SPECIES.indexInRange(i, width);
      sum =
          vector(row, base + 4L * i, mask)
              .fma(FloatVector.fromArray(SPECIES, gradient, i, mask), sum);
    }
    add(gradient, -total(sum), row, base, width);
  }

  private static void update(
      float[] gradient, Moments matrix, long base, int width, Adam settings) {
    float beta1 = (float) settings.beta1();
    float beta2 = (float) settings.beta2();
    float rest1 = (float) (1 - settings.beta1());
    float rest2 = (float) (1 - settings.beta2());
    float rate = settings.correctedRate();
    float root = settings.rootScale();
    float eps = (float) settings.eps();
    float scale = (float) settings.gradientScale();
    for (int i = 0; i < width; i += LANES) {
      VectorMask<Float> mask = SPECIES.indexInRange(i, width);
      long at = base + 4L * i;
      FloatVector g = FloatVector.fromArray(SPECIES, gradient, i, mask).mul(scale);
      FloatVector first = vector(matrix.first(), at, mask).mul(beta1).add(g.mul(rest1));
      FloatVector second = vector(matrix.second(), at, mask).mul(beta2).add(g.mul(g).mul(rest2));
      first.intoMemorySegment(matrix.first(), at, ORDER, mask);
      second.intoMemorySegment(matrix.second(), at, ORDER, mask);
      FloatVector divisor = second.sqrt().mul(root).add(eps);
      vector(matrix.value(), at, mask)
          .sub(first.mul(rate).div(divisor))
          .intoMemorySegment(matrix.value(), at, ORDER, mask);
    }
  }

  private static void unit(MemorySegment matrix, int row, int width) {
    float factor = (float) (1 / Math.sqrt(dot(matrix, row, matrix, row, width)));
    long base = 4L * row * width;
    for (int i = 0; i < width; i += LANES) {
      VectorMask<Float> mask = SPECIES.indexInRange(i, width);
      vector(matrix, base + 4L * i, mask)
          .mul(factor)
          .intoMemorySegment(matrix, base + 4L * i, ORDER, mask);
    }
  }
}
