// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.lab.run.StatePort;
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

  /** Image behind the last, in a stream. */
  private static final int END = -1;

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

  /** Reads the units from {@code low} to before {@code high}. */
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
    forEach(
        (image, count) -> {
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
        });
    return new Slice(low, starts, images, max, mean);
  }

  /** Takes an image's head; its entries lie ahead in the buffer. */
  private interface HeadTaker {
    void take(int image, int count) throws IOException;
  }

  /** Reads all images from the beginning; afterwards more can be added. */
  private void forEach(HeadTaker taker) {
    try {
      AtomicFiles.writeFully(channel, buffer.flip());
      buffer.clear();
      channel.position(0);
      buffer.limit(0);
      while (fill(8)) {
        int image = buffer.getInt();
        taker.take(image, buffer.getInt());
      }
      channel.position(channel.size());
      buffer.clear();
    } catch (IOException e) {
      throw failure(file, e);
    }
  }

  /** The scores of an image. */
  private record ImageScore(int[] units, float[] max, float[] mean) {
    ImageScore(int count) {
      this(new int[count], new float[count], new float[count]);
    }
  }

  private ImageScore next(int count) throws IOException {
    ImageScore one = new ImageScore(count);
    for (int i = 0; i < count; i++) {
      if (!fill(ENTRY)) throw new IOException("it ends early");
      one.units[i] = buffer.getInt();
      one.max[i] = buffer.getFloat();
      one.mean[i] = buffer.getFloat();
    }
    return one;
  }

  /**
   * Adds the images of the next block.
   *
   * @param offset added to their numbers
   */
  void add(ScoreFile next, int offset) {
    next.forEach(
        (image, count) -> {
          ImageScore one = next.next(count);
          add(image + offset, count, one.units, one.max, one.mean);
        });
  }

  /** Moves the scores to a stream, or from it into a file without a score. */
  void move(StatePort port) {
    if (!port.isReading()) {
      forEach(
          (image, count) -> {
            ImageScore one = next(count);
            port.ints(new int[] {image, count});
            port.ints(one.units);
            port.floats(one.max);
            port.floats(one.mean);
          });
      port.ints(new int[] {END, 0});
      return;
    }
    int[] head = new int[2];
    for (port.ints(head); head[0] != END; port.ints(head)) {
      if (head[1] < 0 || head[1] > counts.length) throw StatePort.damaged(head[1] + " scores");
      ImageScore one = new ImageScore(head[1]);
      port.ints(one.units);
      port.floats(one.max);
      port.floats(one.mean);
      for (int unit : one.units) {
        if (unit < 0 || unit >= counts.length) throw StatePort.damaged("a unit " + unit);
      }
      add(head[0], head[1], one.units, one.max, one.mean);
    }
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
