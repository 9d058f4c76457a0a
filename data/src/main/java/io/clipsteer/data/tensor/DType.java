// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.tensor;

import org.apiguardian.api.API;

/** Element types of tensors in files, named as safetensors names them. */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public enum DType {
  F64(8),
  F32(4),
  F16(2),
  BF16(2),
  I64(8),
  I32(4),
  I16(2),
  I8(1),
  U8(1),
  BOOL(1);

  private final int bytes;

  DType(int bytes) {
    this.bytes = bytes;
  }

  /** Size of one element in bytes. */
  public int bytes() {
    return bytes;
  }

  /** Bytes of a tensor of a shape, which may be hostile; -1 when it is negative or too large. */
  long byteSize(long... shape) {
    long size = bytes;
    for (long extent : shape) {
      if (extent < 0 || Math.multiplyHigh(size, extent) != 0) return -1;
      size *= extent;
      if (size < 0) return -1;
    }
    return size;
  }
}
