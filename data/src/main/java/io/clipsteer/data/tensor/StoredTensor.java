// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.tensor;

import static io.clipsteer.data.tensor.MappedFile.F32;
import static io.clipsteer.data.tensor.MappedFile.F64;
import static io.clipsteer.data.tensor.MappedFile.I16;
import static io.clipsteer.data.tensor.MappedFile.I32;
import static io.clipsteer.data.tensor.MappedFile.I64;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * A named tensor as it lies in a file: row-major, contiguous, little-endian.
 *
 * @param name the tensor's name in the file
 * @param dtype element type
 * @param shape extents, outermost first; empty for a scalar
 * @param bytes the elements; valid while the {@link TensorFile} it came from is open
 */
public record StoredTensor(String name, DType dtype, long[] shape, MemorySegment bytes) {

  /** A tensor holding a copy of {@code values}, on the Java heap. */
  public static StoredTensor ofFloats(String name, float[] values, long... shape) {
    MemorySegment bytes = MemorySegment.ofArray(new byte[Math.multiplyExact(values.length, 4)]);
    for (int i = 0; i < values.length; i++) bytes.set(F32, 4L * i, values[i]);
    return new StoredTensor(name, DType.F32, shape, bytes);
  }

  /** Number of elements: the product of the extents, 1 for a scalar. */
  public long elements() {
    long n = 1;
    for (long extent : shape) n *= extent;
    return n;
  }

  /** Element {@code i} (row-major) as a double; BOOL gives 0 or 1. */
  public double get(long i) {
    return switch (dtype) {
      case F64 -> bytes.get(F64, 8 * i);
      case F32 -> bytes.get(F32, 4 * i);
      case F16 -> Float.float16ToFloat(bytes.get(I16, 2 * i));
      case BF16 -> Float.intBitsToFloat(bytes.get(I16, 2 * i) << 16);
      case I64 -> bytes.get(I64, 8 * i);
      case I32 -> bytes.get(I32, 4 * i);
      case I16 -> bytes.get(I16, 2 * i);
      case I8 -> bytes.get(ValueLayout.JAVA_BYTE, i);
      case U8, BOOL -> bytes.get(ValueLayout.JAVA_BYTE, i) & 0xff;
    };
  }

  /** Lets the system take back the memory of the file's pages; they can be read again. */
  public void unload() {
    if (bytes.isMapped()) bytes.unload();
  }

  /** All elements as floats, row-major. */
  public float[] toFloats() {
    float[] values = new float[Math.toIntExact(elements())];
    for (int i = 0; i < values.length; i++) values[i] = (float) get(i);
    return values;
  }

  @Override
  public String toString() {
    return name + " " + dtype + Arrays.toString(shape);
  }
}
