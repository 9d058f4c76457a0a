// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.run;

import java.io.DataInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/**
 * Moves a tally's state to a stream, or from one back into the tally's own arrays. One method of
 * the tally serves both directions, so that both have the same order. The stream has no lengths of
 * arrays: both sides must have the same. Numbers are big-endian. All methods throw an {@link
 * UncheckedIOException} where the stream does, or ends early.
 */
public final class StatePort {
  private static final int CHUNK = 1 << 16;
  private static final int LONGEST_TEXT = 1 << 20;

  private final @Nullable OutputStream out;
  private final @Nullable DataInputStream in;
  private final ByteBuffer buffer = ByteBuffer.allocate(CHUNK);

  private StatePort(@Nullable OutputStream out, @Nullable DataInputStream in) {
    this.out = out;
    this.in = in;
  }

  /** Writes state. */
  public static StatePort to(OutputStream out) {
    return new StatePort(out, null);
  }

  /** Reads state. */
  public static StatePort from(InputStream in) {
    return new StatePort(null, new DataInputStream(in));
  }

  /** Whether state comes from a stream. */
  public boolean isReading() {
    return in != null;
  }

  /** Moves an array. */
  public void longs(long[] state) {
    for (int at = 0; at < state.length; ) {
      int some = Math.min(state.length - at, CHUNK / Long.BYTES);
      ByteBuffer part = read(some * Long.BYTES);
      if (isReading()) part.asLongBuffer().get(state, at, some);
      else part.asLongBuffer().put(state, at, some);
      write(some * Long.BYTES);
      at += some;
    }
  }

  /** Moves an array. */
  public void doubles(double[] state) {
    for (int at = 0; at < state.length; ) {
      int some = Math.min(state.length - at, CHUNK / Double.BYTES);
      ByteBuffer part = read(some * Double.BYTES);
      if (isReading()) part.asDoubleBuffer().get(state, at, some);
      else part.asDoubleBuffer().put(state, at, some);
      write(some * Double.BYTES);
      at += some;
    }
  }

  /** Moves an array. */
  public void floats(float[] state) {
    for (int at = 0; at < state.length; ) {
      int some = Math.min(state.length - at, CHUNK / Float.BYTES);
      ByteBuffer part = read(some * Float.BYTES);
      if (isReading()) part.asFloatBuffer().get(state, at, some);
      else part.asFloatBuffer().put(state, at, some);
      write(some * Float.BYTES);
      at += some;
    }
  }

  /** Moves an array. */
  public void ints(int[] state) {
    for (int at = 0; at < state.length; ) {
      int some = Math.min(state.length - at, CHUNK / Integer.BYTES);
      ByteBuffer part = read(some * Integer.BYTES);
      if (isReading()) part.asIntBuffer().get(state, at, some);
      else part.asIntBuffer().put(state, at, some);
      write(some * Integer.BYTES);
      at += some;
    }
  }

  /** Moves a number: the stream's when reading, else the given one. */
  public long number(long value) {
    long[] one = {value};
    longs(one);
    return one[0];
  }

  /** Moves a number: the stream's when reading, else the given one. */
  public double number(double value) {
    double[] one = {value};
    doubles(one);
    return one[0];
  }

  /**
   * Moves a length, for what one side alone knows the size of.
   *
   * @param most the longest that can be; a longer one of a stream is damage
   */
  public int length(int value, int most) {
    long length = number((long) value);
    if (length >= 0 && length <= most) return (int) length;
    throw damaged("a length of " + length);
  }

  /** What a stream is refused with. */
  public static UncheckedIOException damaged(String what) {
    return new UncheckedIOException(new IOException("it has " + what));
  }

  /** Moves a text of at most 1 MiB in UTF-8. */
  public String text(String value) {
    byte[] own = value.getBytes(StandardCharsets.UTF_8);
    int length = length(own.length, LONGEST_TEXT);
    byte[] moved = isReading() ? new byte[length] : own;
    try {
      if (in != null) in.readFully(moved);
      else if (out != null) out.write(moved);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return new String(moved, StandardCharsets.UTF_8);
  }

  /** The buffer, with so many bytes of the stream when reading. */
  private ByteBuffer read(int bytes) {
    try {
      if (in != null) in.readFully(buffer.array(), 0, bytes);
      return buffer.clear();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void write(int bytes) {
    try {
      if (out != null) out.write(buffer.array(), 0, bytes);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
