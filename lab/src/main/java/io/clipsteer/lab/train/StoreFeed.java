// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.train;

import io.clipsteer.data.InputException;
import io.clipsteer.data.store.ActivationStore;
import io.clipsteer.data.store.Permutation;
import io.clipsteer.data.store.StoreFormat;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.lab.run.ActivationBuffer;
import io.clipsteer.lab.run.Reconstruction;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * Tokens from a store, shuffled anew in each epoch. Batch n is a function of store, seed and n, so
 * that a cursor is one number; the next batch is read ahead.
 */
final class StoreFeed implements Feed {
  private final ActivationStore store;
  private final StoreFormat format;
  private final int batch;
  private final long seed;
  private final int[] points;

  /** First selected token of an image, and how many. */
  private final int first;

  private final int perImage;
  private final long tokens;
  private final Arena arena = Arena.ofShared();
  private final MemorySegment[] buffers = new MemorySegment[2];
  private final ExecutorService reader =
      Executors.newSingleThreadExecutor(Thread.ofPlatform().daemon().name("reader").factory());
  private long step;
  private Future<?> ahead;

  /** Used by the reader alone. */
  private Permutation shuffle;

  private long epoch;

  /**
   * A feed.
   *
   * @param start number of the first batch
   */
  StoreFeed(ActivationStore store, TrainConfig config, long start) {
    this.store = store;
    this.format = store.format();
    this.batch = config.schedule().batch();
    this.seed = config.seed();
    this.points = points(store, config.points());
    TokenSelection stored = TokenSelection.parse(format.tokens());
    check(stored, config.tokens());
    boolean part = stored == TokenSelection.ALL;
    this.first = part ? config.tokens().first(format.prefixTokens()) : 0;
    this.perImage =
        part
            ? config.tokens().count(format.prefixTokens(), format.tokensPerImage())
            : format.tokensPerImage();
    this.tokens = (store.images() - heldOutImages()) * perImage;
    if (heldOutImages() == 0) {
      throw new InputException(
          "the store",
          store.images() + " images are too few to train and to evaluate on",
          "Harvest at least 10");
    }
    this.shuffle = new Permutation(tokens, seed);
    for (int i = 0; i < 2; i++) {
      buffers[i] = arena.allocate(4L * batch * format.width() * points.length, 64);
    }
    this.step = start;
    this.ahead = reader.submit(() -> read(start));
  }

  private static int[] points(ActivationStore store, List<HookPoint> wanted) {
    int[] rows = new int[wanted.size()];
    for (int i = 0; i < rows.length; i++) {
      rows[i] = store.hookPoint(wanted.get(i).peerName());
      if (rows[i] < 0) {
        throw new InputException(
            wanted.get(i).peerName(),
            "is not in the store, which holds " + String.join(", ", store.format().hookPoints()),
            "Name one of these with --layers and --site, or harvest it");
      }
    }
    return rows;
  }

  private static void check(TokenSelection stored, TokenSelection wanted) {
    if (stored == TokenSelection.ALL || stored == wanted) return;
    throw new InputException(
        "--tokens-selection " + wanted.name().toLowerCase(Locale.ROOT),
        "the store holds " + stored.name().toLowerCase(Locale.ROOT) + " only",
        "Train on these, or harvest again");
  }

  /** Fills batch n's buffer. */
  private void read(long n) {
    long[] chosen = new long[batch];
    for (int i = 0; i < batch; i++) {
      long position = n * batch + i;
      if (position / tokens != epoch) {
        epoch = position / tokens;
        shuffle = new Permutation(tokens, seed + epoch * 0x9e3779b97f4a7c15L);
      }
      chosen[i] = token(shuffle.at(position % tokens));
    }
    long bytes = 4L * batch * format.width();
    for (int p = 0; p < points.length; p++) {
      store.read(points[p], chosen, buffers[(int) (n % 2)].asSlice(p * bytes, bytes));
    }
  }

  /** The store's number of a training token: nine images of ten, the selected tokens of each. */
  private long token(long number) {
    long image = number / perImage;
    return position(image + image / (HELD_OUT_EVERY - 1), (int) (number % perImage));
  }

  private long position(long image, int selected) {
    return image * format.tokensPerImage() + first + selected;
  }

  @Override
  public int batch() {
    return batch;
  }

  @Override
  public int width() {
    return format.width();
  }

  @Override
  public Tensor rows(int point) {
    await();
    long bytes = 4L * batch * format.width();
    return Tensor.wrap(
        buffers[(int) (step % 2)].asSlice(point * bytes, bytes), batch, format.width());
  }

  private void await() {
    try {
      ahead.get();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while reading", e);
    } catch (ExecutionException e) {
      throw new IllegalStateException("reading the store failed", e.getCause());
    }
  }

  @Override
  public void next() {
    await();
    step++;
    long following = step;
    ahead = reader.submit(() -> read(following));
  }

  @Override
  public Tensor sample(int point) {
    int n = (int) Math.min(tokens, INITIAL_SAMPLE);
    Permutation order = new Permutation(tokens, seed);
    long[] chosen = new long[n];
    for (int i = 0; i < n; i++) chosen[i] = token(order.at(i));
    Tensor rows = Tensor.empty(DType.F32, n, format.width());
    store.read(points[point], chosen, rows.segment());
    return rows;
  }

  @Override
  public Reconstruction measure(Sae sae, int point) {
    long all = Math.min(heldOutImages() * perImage, EVALUATION_TOKENS);
    try (ActivationBuffer rows = new ActivationBuffer(all, format.width())) {
      long[] chosen = new long[(int) all];
      for (int i = 0; i < all; i++) {
        long image = (long) i / perImage * HELD_OUT_EVERY + HELD_OUT_EVERY - 1;
        chosen[i] = position(image, i % perImage);
      }
      rows.fill(target -> store.read(points[point], chosen, target), all);
      return Reconstruction.measure(sae, rows);
    }
  }

  @Override
  public Counts counts() {
    return new Counts(store.images() - heldOutImages(), heldOutImages(), List.of(), 0);
  }

  private long heldOutImages() {
    return store.images() / HELD_OUT_EVERY;
  }

  @Override
  public void close() {
    reader.close();
    arena.close();
  }
}
