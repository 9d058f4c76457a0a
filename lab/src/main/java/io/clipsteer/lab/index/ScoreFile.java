// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import io.clipsteer.data.folder.AtomicFiles;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * Units' scores of images on disk during a pass: all of them do not fit into memory, and ranks need
 * all. Deleted when closed.
 */
final class ScoreFile implements AutoCloseable {
  private static final int BUFFER = 1 << 20;
  private static final int ENTRY = 12;

  /** Entries that are read at once. */
  static final long BUDGET = 16L << 20;

  /**
   * Scores of a range of units: unit u has the entries from {@code starts[u − low]} to {@code
   * starts[u − low + 1]}, by ascending image.
   */
  record Slice(int low, int[] starts, int[] images, float[] max, float[] mean) {
    /** The unit after the last. */
    int high() {
      return low + starts.length - 1;
    }
  }

  private final Path file;
  private final FileChannel channel;
  private final ByteBuffer buffer = ByteBuffer.allocateDirect(BUFFER);
  private final long[] counts;

  /**
   * A new file in {@code folder}, with a name that {@code AtomicFiles.sweep} deletes if it stays
   * behind.
   */
  ScoreFile(Path folder, int units) {
    counts = new long[units];
    try {
      Files.createDirectories(folder);
      file = Files.createTempFile(folder, ".scores.", "-0");
      channel = FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE);
    } catch (IOException e) {
      throw failure(folder, e);
    }
  }

  private static InputException failure(Path where, IOException e) {
    return new InputException(
        where,
        "scores cannot be kept there: " + Reasons.of(e),
        "Check its rights and free space",
        e);
  }

  /**
   * Adds an image's active units.
   *
   * @param count how many; arrays may be longer
   * @param max largest activation over the image's tokens
   * @param mean over the image's tokens
   */
  void add(int image, int count, int[] units, float[] max, float[] mean) {
    try {
      room(8);
      buffer.putInt(image).putInt(count);
      for (int i = 0; i < count; i++) {
        room(ENTRY);
        buffer.putInt(units[i]).putFloat(max[i]).putFloat(mean[i]);
        counts[units[i]]++;
      }
    } catch (IOException e) {
      throw failure(file, e);
    }
  }

  private void room(int bytes) throws IOException {
    if (buffer.remaining() >= bytes) return;
    AtomicFiles.writeFully(channel, buffer.flip());
    buffer.clear();
  }

  /** Images on which a unit is active. */
  long count(int unit) {
    return counts[unit];
  }

  /** The end of the range of units from {@code low} with at most {@code budget} entries. */
  int end(int low, long budget) {
    long total = 0;
    int high = low;
    while (high < counts.length && (high == low || total + counts[high] <= budget)) {
      total += counts[high++];
    }
    return high;
  }

  /** Reads the units from {@code low} to before {@code high}; nothing may be added afterwards. */
  Slice read(int low, int high) {
    int[] starts = new int[high - low + 1];
    for (int u = low; u < high; u++) {
      starts[u - low + 1] = Math.toIntExact(starts[u - low] + counts[u]);
    }
    int total = starts[high - low];
    int[] images = new int[total];
    float[] max = new float[total];
    float[] mean = new float[total];
    int[] at = starts.clone();
    try {
      AtomicFiles.writeFully(channel, buffer.flip());
      buffer.clear();
      channel.position(0);
      buffer.limit(0);
      while (fill(8)) {
        int image = buffer.getInt();
        int count = buffer.getInt();
        for (int i = 0; i < count; i++) {
          if (!fill(ENTRY)) throw new IOException("it ends early");
          int unit = buffer.getInt();
          float largest = buffer.getFloat();
          float average = buffer.getFloat();
          if (unit < low || unit >= high) continue;
          int entry = at[unit - low]++;
          images[entry] = image;
          max[entry] = largest;
          mean[entry] = average;
        }
      }
      channel.position(channel.size());
      buffer.clear();
    } catch (IOException e) {
      throw failure(file, e);
    }
    return new Slice(low, starts, images, max, mean);
  }

  private boolean fill(int bytes) throws IOException {
    if (buffer.remaining() >= bytes) return true;
    buffer.compact();
    while (buffer.hasRemaining() && channel.read(buffer) >= 0) {
      // Until full or at the end.
    }
    buffer.flip();
    return buffer.remaining() >= bytes;
  }

  @Override
  public void close() {
    try {
      channel.close();
      Files.deleteIfExists(file);
    } catch (IOException e) {
      throw failure(file, e);
    }
  }
}
