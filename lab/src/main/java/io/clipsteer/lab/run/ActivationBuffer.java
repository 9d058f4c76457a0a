// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.run;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.SplittableRandom;
import java.util.function.Consumer;

/** Activations in memory, F32 [tokens,d], read in shuffled order. */
public final class ActivationBuffer implements AutoCloseable {
  private final Arena arena = Arena.ofShared();
  private final MemorySegment rows;
  private final long capacity;
  private final int width;
  private long size;

  /**
   * An empty buffer.
   *
   * @param capacity tokens it can hold
   * @param width d
   */
  public ActivationBuffer(long capacity, int width) {
    this.capacity = capacity;
    this.width = width;
    this.rows = arena.allocate(4L * capacity * width, 64);
  }

  /** Number of tokens. */
  public long size() {
    return size;
  }

  public boolean isFull() {
    return size == capacity;
  }

  public void clear() {
    size = 0;
  }

  /** Adds rows [n,d] of any element type, as many as fit. */
  public void add(Tensor tokens) {
    long n = Math.min(tokens.size(0), capacity - size);
    if (n == 0) return;
    MemorySegment source = tokens.narrow(0, 0, n).to(DType.F32).contiguous().segment();
    MemorySegment.copy(source, 0, rows, 4L * size * width, 4L * n * width);
    size += n;
  }

  /** Replaces everything by n rows that {@code writer} writes, F32 [n,d]. */
  public void fill(Consumer<MemorySegment> writer, long n) {
    writer.accept(rows.asSlice(0, 4L * n * width));
    size = n;
  }

  /** A view of consecutive rows, F32 [n,d]; valid until the buffer is closed or refilled. */
  public Tensor view(long from, long n) {
    return Tensor.wrap(rows.asSlice(4L * from * width, 4L * n * width), n, width);
  }

  /** The rows named by {@code order[from .. from+n)}, copied, F32 [n,d]. */
  public Tensor gather(int[] order, int from, int n) {
    Tensor batch = Tensor.empty(DType.F32, n, width);
    MemorySegment target = batch.segment();
    for (int i = 0; i < n; i++) {
      MemorySegment.copy(rows, 4L * order[from + i] * width, target, 4L * i * width, 4L * width);
    }
    return batch;
  }

  /** A random order of all rows in it. */
  public int[] shuffled(SplittableRandom random) {
    int[] order = new int[Math.toIntExact(size)];
    for (int i = 0; i < order.length; i++) {
      int j = random.nextInt(i + 1);
      order[i] = order[j];
      order[j] = i;
    }
    return order;
  }

  @Override
  public void close() {
    arena.close();
  }
}
