// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.imageset;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import io.clipsteer.data.image.ImageDecoder;
import io.clipsteer.data.image.RgbImage;
import io.clipsteer.data.preprocess.Preprocessing;
import io.clipsteer.data.preprocess.Preprocessing.Prepared;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Decodes and preprocesses an image set ahead of its consumer, in parallel, and hands it out in
 * batches in the set's order: the same batches whatever the number of threads.
 *
 * <p>Images that cannot be read are skipped and listed in {@link #skipped}. Memory: {@code ahead +
 * 2} batches of floats, and a few decoded images per thread.
 */
public final class ImageLoader implements AutoCloseable {
  /**
   * @param batchSize images per batch; the last one may have fewer
   * @param threads how many images are decoded at once
   * @param ahead batches that may wait for the consumer
   * @param start images of the set that are passed over unread
   * @param limit only so many images after those, skipped ones included
   * @param block a batch holds images of one block of so many places in the set only
   * @param decoding limits and turning
   */
  public record Options(
      int batchSize,
      int threads,
      int ahead,
      long start,
      long limit,
      long block,
      ImageDecoder.DecodeOptions decoding) {
    /** Checks the ranges. */
    public Options {
      if (batchSize < 1 || threads < 1 || ahead < 1 || start < 0 || limit < 0 || block < 1) {
        throw new InputException(
            "image loader",
            "batch size, threads and batches ahead and block must be at least 1, start and limit at"
                + " least 0",
            "Correct the option");
      }
    }

    /** Batches across the whole set. */
    public Options(
        int batchSize,
        int threads,
        int ahead,
        long start,
        long limit,
        ImageDecoder.DecodeOptions decoding) {
      this(batchSize, threads, ahead, start, limit, Long.MAX_VALUE, decoding);
    }

    /** All processors, two batches ahead, the whole set. */
    public static Options of(int batchSize) {
      int processors = Runtime.getRuntime().availableProcessors();
      return new Options(
          batchSize, processors, 2, 0, Long.MAX_VALUE, ImageDecoder.DecodeOptions.DEFAULT);
    }

    /** As this, with so many decoding threads. */
    public Options withThreads(int count) {
      return new Options(batchSize, count, ahead, start, limit, block, decoding);
    }

    /** As this, but only the first {@code count} images. */
    public Options withLimit(long count) {
      return new Options(batchSize, threads, ahead, start, count, block, decoding);
    }

    /** As this, but passing over the first {@code count} images. */
    public Options withStart(long count) {
      return new Options(batchSize, threads, ahead, count, limit, block, decoding);
    }

    /** As this, but no batch across blocks of {@code places}. */
    public Options withBlock(long places) {
      return new Options(batchSize, threads, ahead, start, limit, places, decoding);
    }
  }

  /**
   * A skipped image.
   *
   * @param id its path relative to the set
   * @param reason why
   * @param position its place in the set, from 0; −1 where a file that was read does not say
   */
  public record Skipped(String id, String reason, long position) {}

  /** What a worker made of one image; a null image comes with a reason. */
  private record Decoded(ImageItem item, long position, @Nullable Prepared image, String reason) {}

  /** What passes to the consumer: a batch, or the end with its cause, if any. */
  private record Handover(@Nullable ImageBatch batch, @Nullable Throwable failure) {}

  private final ImageSet set;
  private final Preprocessing preprocessing;
  private final Options options;
  private final Arena arena = Arena.ofShared();
  private final BlockingQueue<MemorySegment> free;
  private final BlockingQueue<Handover> ready;
  private final List<Skipped> skipped = Collections.synchronizedList(new ArrayList<>());
  private final ExecutorService workers;
  private final Thread coordinator;
  private @Nullable MemorySegment lent;
  private boolean ended;

  /** Starts at once. */
  public ImageLoader(ImageSet set, Preprocessing preprocessing, Options options) {
    this.set = set;
    this.preprocessing = preprocessing;
    this.options = options;
    int buffers = options.ahead + 2;
    free = new ArrayBlockingQueue<>(buffers);
    ready = new ArrayBlockingQueue<>(options.ahead + 1);
    long bytes = 4L * options.batchSize * preprocessing.floats();
    for (int i = 0; i < buffers; i++) free.add(allocate(bytes));
    workers =
        Executors.newFixedThreadPool(
            options.threads, Thread.ofPlatform().daemon().name("image-decoder-", 0).factory());
    coordinator = Thread.ofPlatform().daemon().name("image-loader").start(this::coordinate);
  }

  private MemorySegment allocate(long bytes) {
    try {
      return arena.allocate(bytes, 64);
    } catch (OutOfMemoryError e) {
      arena.close();
      throw new InputException(
          "batches of " + options.batchSize + " images",
          "they need %d MiB each, more than there is".formatted(bytes >> 20),
          "Choose a smaller batch",
          e);
    }
  }

  /** The next batch, or null at the end of the set. Ends the validity of the batch before. */
  public @Nullable ImageBatch next() {
    if (lent != null) free.add(lent);
    lent = null;
    if (ended) return null;
    try {
      Handover handover = ready.take();
      ImageBatch batch = handover.batch;
      if (batch != null) {
        lent = batch.pixels();
        return handed(batch);
      }
      ended = true;
      Throwable failure = handover.failure;
      if (failure instanceof InputException e) throw e;
      if (failure != null) throw new IllegalStateException("the image loader failed", failure);
      return null;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InputException("image loader", "it was interrupted", "Start again", e);
    }
  }

  /** The buffer is lent whole; the consumer sees only the part that holds images. */
  private ImageBatch handed(ImageBatch batch) {
    long bytes = 4L * batch.count() * preprocessing.floats();
    return new ImageBatch(
        batch.ids(), batch.labels(), batch.positions(), batch.pixels().asSlice(0, bytes));
  }

  /** The images skipped so far, in the set's order; complete once {@link #next} returned null. */
  public List<Skipped> skipped() {
    synchronized (skipped) {
      return List.copyOf(skipped);
    }
  }

  private void coordinate() {
    Throwable failure = null;
    try (ImageCursor cursor = set.cursor()) {
      fill(cursor);
    } catch (InterruptedException e) {
      return; // closed early: no caller waits
    } catch (RuntimeException | Error e) {
      failure = e;
    }
    try {
      ready.put(new Handover(null, failure));
    } catch (InterruptedException e) {
      // Closed while the last batches waited.
    }
  }

  private void fill(ImageCursor cursor) throws InterruptedException {
    // Twice the threads: while one image is awaited, every worker still has another to begin.
    int window = 2 * options.threads;
    ArrayDeque<Future<Decoded>> pending = new ArrayDeque<>(window);
    long left = options.limit;
    long position = 0;
    while (position < options.start && cursor.next() != null) position++;
    Batch batch = new Batch();
    while (true) {
      ImageItem item = pending.size() < window && left > 0 ? cursor.next() : null;
      if (item != null) {
        left--;
        pending.add(submit(item, position++));
        continue;
      }
      if (pending.size() < window) left = 0;
      Future<Decoded> first = pending.poll();
      if (first == null) break;
      batch.add(result(first));
    }
    batch.flush();
  }

  private Future<Decoded> submit(ImageItem item, long position) {
    return workers.submit(() -> decode(item, position));
  }

  private Decoded decode(ImageItem item, long position) {
    try {
      RgbImage image = ImageDecoder.decode(item.bytes(), item.id(), options.decoding);
      return new Decoded(item, position, preprocessing.prepared(image), "");
    } catch (InputException e) {
      return new Decoded(item, position, null, e.getMessage() + "");
    } catch (OutOfMemoryError e) {
      return new Decoded(item, position, null, item.id() + ": it does not fit in memory");
    }
  }

  private Decoded result(Future<Decoded> future) throws InterruptedException {
    try {
      return future.get();
    } catch (ExecutionException e) {
      // A file system that fails makes no image bad.
      if (e.getCause() instanceof UncheckedIOException fault) {
        throw new InputException(
            set.origin(), "cannot be read: " + Reasons.of(fault), "Try again", fault);
      }
      throw new IllegalStateException("decoding failed", e.getCause());
    }
  }

  /** The batch being filled; only the coordinator touches it. */
  private final class Batch {
    private @Nullable MemorySegment pixels;
    private List<String> ids = new ArrayList<>();
    private List<@Nullable String> labels = new ArrayList<>();
    private List<Long> positions = new ArrayList<>();

    void add(Decoded decoded) throws InterruptedException {
      Prepared image = decoded.image;
      if (image == null) {
        skipped.add(new Skipped(decoded.item.id(), decoded.reason, decoded.position));
        return;
      }
      if (!positions.isEmpty()
          && decoded.position / options.block != positions.getLast() / options.block) {
        flush();
      }
      MemorySegment target = pixels;
      if (target == null) {
        target = free.take();
        pixels = target;
      }
      preprocessing.normaliseInto(image, target, (long) ids.size() * preprocessing.floats());
      ids.add(decoded.item.id());
      labels.add(decoded.item.label());
      positions.add(decoded.position);
      if (ids.size() == options.batchSize) flush();
    }

    void flush() throws InterruptedException {
      MemorySegment full = pixels;
      if (full == null) return;
      ready.put(
          new Handover(
              new ImageBatch(
                  Collections.unmodifiableList(ids),
                  Collections.unmodifiableList(labels),
                  Collections.unmodifiableList(positions),
                  full),
              null));
      pixels = null;
      ids = new ArrayList<>();
      labels = new ArrayList<>();
      positions = new ArrayList<>();
    }
  }

  /** Stops what is under way, waits for every thread, and frees the buffers. */
  @Override
  public void close() {
    ended = true;
    boolean interrupted = false;
    coordinator.interrupt();
    workers.shutdownNow();
    while (true) {
      try {
        coordinator.join();
        if (workers.awaitTermination(1, TimeUnit.SECONDS)) break;
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (arena.scope().isAlive()) arena.close();
    if (interrupted) Thread.currentThread().interrupt();
  }
}
