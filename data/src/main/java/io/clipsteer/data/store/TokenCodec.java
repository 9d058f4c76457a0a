// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.store;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** How a token's numbers lie in a shard, little-endian. */
public enum TokenCodec {
  /** As they are. */
  FP32("fp32"),
  /** Rounded to nearest, ties to even: a relative error of at most 2⁻⁹. */
  BF16("bf16"),
  /**
   * An F32 scale, then signed bytes: {@code x ≈ scale · byte} with {@code scale = max|x| / 127}, an
   * absolute error of at most half the scale.
   */
  INT8("int8");

  private static final ValueLayout.OfFloat F32 =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfShort I16 =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfFloat NATIVE = ValueLayout.JAVA_FLOAT_UNALIGNED;
  private static final float LEVELS = 127;

  private final String word;

  TokenCodec(String word) {
    this.word = word;
  }

  /** As options and files say it. */
  @Override
  public String toString() {
    return word;
  }

  /** Bytes of a token of {@code width} numbers. */
  public long bytes(int width) {
    return switch (this) {
      case FP32 -> 4L * width;
      case BF16 -> 2L * width;
      case INT8 -> 4L + width;
    };
  }

  /**
   * Writes a token.
   *
   * @param from native F32 numbers, from byte {@code at}
   */
  void encode(MemorySegment from, long at, int width, MemorySegment to, long toAt) {
    switch (this) {
      case FP32 -> {
        for (int i = 0; i < width; i++) to.set(F32, toAt + 4L * i, from.get(NATIVE, at + 4L * i));
      }
      case BF16 -> {
        for (int i = 0; i < width; i++) {
          to.set(I16, toAt + 2L * i, bf16(from.get(NATIVE, at + 4L * i)));
        }
      }
      case INT8 -> {
        float most = 0;
        for (int i = 0; i < width; i++) {
          most = Math.max(most, Math.abs(from.get(NATIVE, at + 4L * i)));
        }
        float scale = most / LEVELS;
        to.set(F32, toAt, scale);
        for (int i = 0; i < width; i++) {
          int level = scale == 0 ? 0 : Math.round(from.get(NATIVE, at + 4L * i) / scale);
          to.set(ValueLayout.JAVA_BYTE, toAt + 4 + i, (byte) Math.clamp(level, -127, 127));
        }
      }
    }
  }

  /** Reads a token back as native F32. */
  void decode(MemorySegment from, long at, int width, MemorySegment to, long toAt) {
    switch (this) {
      case FP32 -> {
        for (int i = 0; i < width; i++) to.set(NATIVE, toAt + 4L * i, from.get(F32, at + 4L * i));
      }
      case BF16 -> {
        for (int i = 0; i < width; i++) {
          to.set(NATIVE, toAt + 4L * i, Float.intBitsToFloat(from.get(I16, at + 2L * i) << 16));
        }
      }
      case INT8 -> {
        float scale = from.get(F32, at);
        for (int i = 0; i < width; i++) {
          to.set(NATIVE, toAt + 4L * i, scale * from.get(ValueLayout.JAVA_BYTE, at + 4 + i));
        }
      }
    }
  }

  /** Nearest bf16, ties to even; NaN stays NaN. */
  static short bf16(float value) {
    int bits = Float.floatToRawIntBits(value);
    if (Float.isNaN(value)) return (short) ((bits >> 16) | 0x40);
    return (short) ((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
  }
}
