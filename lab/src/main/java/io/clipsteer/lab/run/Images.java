// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.run;

import io.clipsteer.data.Hashes;
import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.image.ImageDecoder;
import io.clipsteer.data.image.RgbImage;
import io.clipsteer.data.imageset.ImageBatch;
import io.clipsteer.data.imageset.ImageCursor;
import io.clipsteer.data.imageset.ImageItem;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.imageset.ImageSet;
import io.clipsteer.data.preprocess.Preprocessing;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.NotFiniteException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.function.BiConsumer;
import org.apiguardian.api.API;

/**
 * An image set as a model reads it: decoded and preprocessed ahead, batch by batch.
 *
 * @param set of images
 * @param preprocessing to the model's input
 * @param options batch size, decoding threads, limit
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record Images(ImageSet set, Preprocessing preprocessing, ImageLoader.Options options) {

  /** One image file as a model reads it, F32 [1,3,h,w], in the current scope. */
  public static Tensor one(ClipModel model, Path file) {
    return one(model, ImageDecoder.decode(file));
  }

  /**
   * The same of a file's bytes.
   *
   * @param name of the image in messages
   */
  public static Tensor one(ClipModel model, byte[] file, String name) {
    return one(model, ImageDecoder.decode(file, name));
  }

  private static Tensor one(ClipModel model, RgbImage image) {
    Preprocessing preprocessing = model.preprocessing();
    float[] pixels = preprocessing.apply(image);
    return Tensor.of(pixels, 1, 3, preprocessing.height(), preprocessing.width());
  }

  /** Takes a pass's batches. */
  @FunctionalInterface
  public interface Taker {
    /**
     * Takes a batch.
     *
     * @param pixels F32 [b,3,h,w], valid during the call
     * @param skipped images skipped so far, before the batch's last one
     */
    void take(ImageBatch batch, Tensor pixels, List<ImageLoader.Skipped> skipped);
  }

  /**
   * One pass over the set, each batch inside a scope of its own.
   *
   * @param consumer takes a batch and its pixels F32 [b,3,h,w], valid during the call
   * @return the images skipped, each with its reason
   * @throws InputException when no image can be read
   */
  public List<ImageLoader.Skipped> forEach(BiConsumer<ImageBatch, Tensor> consumer) {
    boolean[] any = new boolean[1];
    List<ImageLoader.Skipped> skipped =
        walk(
            (batch, pixels) -> {
              any[0] = true;
              consumer.accept(batch, pixels);
            });
    if (!any[0]) throw nothing(skipped);
    return skipped;
  }

  /**
   * The same with its progress.
   *
   * @param title of the task
   * @param flops operations for one image
   */
  public List<ImageLoader.Skipped> forEach(
      String title, double flops, Progress progress, BiConsumer<ImageBatch, Tensor> consumer) {
    try (var task = progress.start(title, count(), "images")) {
      return forEach(
          (batch, pixels) -> {
            consumer.accept(batch, pixels);
            task.advance(batch.count(), flops * batch.count());
          });
    }
  }

  /**
   * One pass from an image on.
   *
   * @param start number of images at the beginning of the set that are not read
   */
  public List<ImageLoader.Skipped> forEach(long start, Taker taker) {
    // The limit counts from the start on.
    var rest = options.withStart(start).withLimit(Math.max(0, options.limit() - start));
    try (ImageLoader loader = new ImageLoader(set, preprocessing, rest)) {
      long seen = 0;
      for (ImageBatch batch = loader.next(); batch != null; batch = loader.next()) {
        seen += batch.count();
        long last = batch.positions().getLast();
        // The loader reads ahead: it may have skipped images behind the batch.
        List<ImageLoader.Skipped> before =
            loader.skipped().stream().filter(one -> one.position() < last).toList();
        try (Scope scope = Scope.open()) {
          taker.take(batch, pixels(batch), before);
        } catch (NotFiniteException e) {
          throw e.named(batch.ids());
        }
      }
      List<ImageLoader.Skipped> skipped = loader.skipped();
      if (seen == 0 && start == 0) throw nothing(skipped);
      return skipped;
    }
  }

  /**
   * One pass over the set, which may be without an image.
   *
   * @return the images skipped, each with its reason
   */
  List<ImageLoader.Skipped> walk(BiConsumer<ImageBatch, Tensor> consumer) {
    try (ImageLoader loader = open()) {
      for (ImageBatch batch = loader.next(); batch != null; batch = loader.next()) {
        try (Scope scope = Scope.open()) {
          consumer.accept(batch, pixels(batch));
        } catch (NotFiniteException e) {
          throw e.named(batch.ids());
        }
      }
      return loader.skipped();
    }
  }

  /** Images in a pass, for progress. */
  public long count() {
    return listing().count();
  }

  /**
   * The images of a pass.
   *
   * @param count number of images
   * @param sha256 of their ids, a line each
   */
  public record ImageIds(long count, String sha256) {}

  /** The images of a pass, without reading them. */
  public ImageIds listing() {
    return listing(set, options.limit());
  }

  /** The first images of a set, without reading them. */
  public static ImageIds listing(ImageSet set, long limit) {
    StringBuilder ids = new StringBuilder();
    long count = 0;
    try (ImageCursor cursor = set.cursor()) {
      for (ImageItem item = cursor.next(); item != null && count < limit; item = cursor.next()) {
        ids.append(item.id()).append('\n');
        count++;
      }
    }
    return new ImageIds(count, Hashes.sha256(ids.toString().getBytes(StandardCharsets.UTF_8)));
  }

  /** A new pass, to be pulled from. */
  public ImageLoader open() {
    return new ImageLoader(set, preprocessing, options);
  }

  /** A batch's pixels without a copy. */
  public Tensor pixels(ImageBatch batch) {
    return Tensor.wrap(
        batch.pixels(), batch.count(), 3, preprocessing.height(), preprocessing.width());
  }

  /** Notes for a report on what the image set holds beside its images: one sentence, or none. */
  public List<String> notes() {
    long count = set.listing().skippedCount();
    if (count == 0) return List.of();
    return List.of(
        "The image set has %s beside its images: %s"
            .formatted(Counted.of(count, "file"), set.listing().reasons()));
  }

  /** The error for a pass without any image. */
  public InputException nothing(List<ImageLoader.Skipped> skipped) {
    String first = skipped.isEmpty() ? "" : "; the first: " + skipped.getFirst().reason();
    return new InputException(
        set.origin(),
        "no image could be read, " + skipped.size() + " were skipped" + first,
        "Name a folder, table or tar of JPEG, PNG, GIF, BMP or WebP files");
  }
}
