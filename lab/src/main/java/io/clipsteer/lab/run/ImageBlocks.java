// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.run;

import io.clipsteer.data.Progress;
import io.clipsteer.data.imageset.ImageBatch;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.engine.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Images in blocks of so many places of the set. No batch reaches over a block's end, so that a
 * block's batches are the same whether it is read alone or after the blocks before it.
 *
 * @param images of all blocks
 * @param size places of a block, at least 1
 */
public record ImageBlocks(Images images, int size) {
  /** Places of a block unless the user says otherwise, in whole batches near this. */
  private static final int PLACES = 2048;

  /** Blocks of near 2,048 images, whole batches. */
  public static ImageBlocks of(Images images) {
    int batch = images.options().batchSize();
    return new ImageBlocks(images, batch * Math.max(1, PLACES / batch));
  }

  /** Takes a batch for a block's result. */
  @FunctionalInterface
  public interface BlockTaker<T> {
    /**
     * Takes a batch.
     *
     * @param result of the batch's block so far
     * @param pixels F32 [b,3,h,w], valid during the call
     */
    void take(T result, ImageBatch batch, Tensor pixels);
  }

  /** Number of blocks. */
  public int count() {
    return Math.toIntExact((images.count() + size - 1) / size);
  }

  /**
   * Reads one block.
   *
   * @return the images skipped, each with its reason
   */
  public List<ImageLoader.Skipped> read(int number, BiConsumer<ImageBatch, Tensor> taker) {
    long start = (long) number * size;
    long most = Math.clamp(images.options().limit() - start, 0, size);
    var options = images.options().withStart(start).withLimit(most).withBlock(size);
    return new Images(images.set(), images.preprocessing(), options).walk(taker);
  }

  /**
   * Reads all blocks in their order, in one reading.
   *
   * @param title of the task
   * @param flops operations for one image
   * @param open a block's result without an image
   * @param done receives each block's result when it is whole; blocks without an image have none
   * @return the images skipped, each with its reason
   * @throws io.clipsteer.data.InputException when no image can be read
   */
  public <T> List<ImageLoader.Skipped> forEach(
      String title,
      double flops,
      Progress progress,
      Supplier<T> open,
      BlockTaker<T> taker,
      Consumer<T> done) {
    var current = new Current<>(open, done);
    List<ImageLoader.Skipped> skipped;
    try (var task = progress.start(title, images.count(), "images")) {
      var options = images.options().withBlock(size);
      skipped =
          new Images(images.set(), images.preprocessing(), options)
              .walk(
                  (batch, pixels) -> {
                    taker.take(current.of(batch.positions().getFirst() / size), batch, pixels);
                    task.advance(batch.count(), flops * batch.count());
                  });
    }
    if (current.result == null) throw images.nothing(skipped);
    current.end();
    return skipped;
  }

  /** Moves skipped images to a stream, or from it. */
  public static List<ImageLoader.Skipped> move(StatePort port, List<ImageLoader.Skipped> skipped) {
    int count = port.length(skipped.size(), Integer.MAX_VALUE);
    List<ImageLoader.Skipped> moved = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      var one = i < skipped.size() ? skipped.get(i) : new ImageLoader.Skipped("", "", 0);
      moved.add(
          new ImageLoader.Skipped(
              port.text(one.id()), port.text(one.reason()), port.number(one.position())));
    }
    return moved;
  }

  /** The block that is being read. */
  private static final class Current<T> {
    private final Supplier<T> open;
    private final Consumer<T> done;
    private long number = -1;
    private @Nullable T result;

    Current(Supplier<T> open, Consumer<T> done) {
      this.open = open;
      this.done = done;
    }

    T of(long block) {
      T now = result;
      if (now != null && block == number) return now;
      end();
      number = block;
      now = open.get();
      result = now;
      return now;
    }

    void end() {
      if (result != null) done.accept(result);
    }
  }
}
