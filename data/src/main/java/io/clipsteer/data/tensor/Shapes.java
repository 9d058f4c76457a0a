// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.tensor;

/** Arithmetic on shapes that may be hostile. */
final class Shapes {
  private Shapes() {}

  /** Bytes a tensor takes; -1 when an extent is negative or the product overflows. */
  static long byteSize(long[] shape, DType dtype) {
    long size = dtype.bytes();
    for (long extent : shape) {
      if (extent < 0 || Math.multiplyHigh(size, extent) != 0) return -1;
      size *= extent;
      if (size < 0) return -1;
    }
    return size;
  }
}
