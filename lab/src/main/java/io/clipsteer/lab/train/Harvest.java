// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.train;

import io.clipsteer.data.Hashes;
import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.imageset.ImageBatch;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.store.StoreFormat;
import io.clipsteer.data.store.StoreWriter;
import io.clipsteer.data.store.TokenCodec;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.NotFiniteException;
import io.clipsteer.engine.model.SelectedTokens;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.TokenLayout;
import io.clipsteer.lab.run.TowerWalk;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;

/**
 * Runs images through a tower once and stores the activations of any number of hook points.
 *
 * @param model whose vision tower runs
 * @param images to read
 * @param points of the vision tower
 * @param tokens to store of each image
 */
public record Harvest(
    ClipModel model, Images images, List<HookPoint> points, TokenSelection tokens) {
  /** A shard's size is near this, over all hook points. */
  private static final long SHARD_BYTES = 256L << 20;

  private static final int MAX_SHARD_BATCHES = 128;

  /**
   * A finished harvest.
   *
   * @param images images in the store
   * @param tokens of each hook point
   * @param bytes of all data files
   * @param harvested images of this process alone
   * @param tokensPerSecond over all hook points, from files to store
   */
  public record HarvestSummary(
      long images,
      long tokens,
      long bytes,
      long harvested,
      double tokensPerSecond,
      List<ImageLoader.Skipped> skipped) {}

  /** The store's format. */
  public StoreFormat format(TokenCodec codec) {
    var config = model.vision().config();
    int prefix = tokens == TokenSelection.PATCHES ? 0 : config.prefixTokens();
    var pixels = images.preprocessing();
    TokenLayout layout = TokenLayout.of(config, tokens, pixels.height(), pixels.width());
    int stored = layout.count();
    boolean patches = tokens != TokenSelection.CLS;
    int batch = images.options().batchSize();
    long imageBytes = (long) stored * codec.bytes(config.width()) * points.size();
    return new StoreFormat(
        StoreFormat.PROTOCOL,
        Hashes.sha256(model.source().weights()),
        images.set().origin().toString(),
        images.listing().sha256(),
        images.preprocessing().toString(),
        points.stream().map(HookPoint::peerName).toList(),
        tokens.name().toLowerCase(Locale.ROOT),
        stored,
        Math.min(prefix, stored),
        patches ? layout.rows() : 0,
        patches ? layout.columns() : 0,
        config.width(),
        codec.toString(),
        batch,
        batch * (int) Math.clamp(SHARD_BYTES / imageBytes / batch, 1, MAX_SHARD_BATCHES));
  }

  /**
   * Seconds that the tower takes per image, by the second of two grey images. Decoding runs in
   * parallel and usually takes less.
   */
  public double secondsPerImage() {
    int batch = (int) Math.min(images.options().batchSize(), Math.max(1, images.count()));
    int height = images.preprocessing().height();
    int width = images.preprocessing().width();
    double seconds = 0;
    for (int i = 0; i < 2; i++) {
      long begin = System.nanoTime();
      try (Scope scope = Scope.open()) {
        Tensor grey = Tensor.zeros(DType.F32, batch, 3, height, width);
        model
            .vision()
            .runUntil(grey.to(model.vision().device()), Collections.max(points), Hooks.NONE);
      } catch (NotFiniteException e) {
        throw e.named(Collections.nCopies(batch, "a grey image"));
      }
      seconds = (System.nanoTime() - begin) * 1e-9;
    }
    return seconds / batch;
  }

  /**
   * Fills a store.
   *
   * @param out a folder that nobody else writes; a store of the same format there is continued
   */
  public HarvestSummary run(StoreFormat format, Path out, Progress progress) {
    for (HookPoint point : points) model.vision().check(point);
    long begin = System.nanoTime();
    try (StoreWriter writer = StoreWriter.open(out, format)) {
      long before = writer.images();
      long count = images.count();
      if (count >= 0 && writer.consumed() > count) {
        throw new InputException(
            out,
            "covers " + writer.consumed() + " images, and there are " + count,
            "Name a new folder");
      }
      var options = images.options();
      long left = Math.max(0, options.limit() - writer.consumed());
      var rest = options.withStart(writer.consumed()).withLimit(left);
      Images from = new Images(images.set(), images.preprocessing(), rest);
      List<ImageLoader.Skipped> skipped;
      try (ImageLoader loader = from.open();
          var task = progress.start("harvesting", images.count() - before, "images")) {
        skipped = fill(loader, writer, task);
      }
      long harvested = writer.finish() - before;
      double seconds = (System.nanoTime() - begin) * 1e-9;
      long all = before + harvested;
      return new HarvestSummary(
          all,
          all * format.tokensPerImage(),
          format.bytes(all),
          harvested,
          (double) harvested * format.tokensPerImage() * points.size() / seconds,
          skipped);
    }
  }

  private List<ImageLoader.Skipped> fill(
      ImageLoader loader, StoreWriter writer, Progress.Task task) {
    double flops = TowerWalk.past(model.vision(), points).flopsPerImage();
    int noted = 0;
    for (ImageBatch batch = loader.next(); batch != null; batch = loader.next()) {
      List<ImageLoader.Skipped> skipped = loader.skipped();
      for (; noted < skipped.size(); noted++) {
        var skip = skipped.get(noted);
        writer.skip(skip.id(), skip.position(), skip.reason());
      }
      try (Scope scope = Scope.open()) {
        add(batch, activations(batch), writer);
      }
      task.advance(batch.count(), flops * batch.count());
    }
    return loader.skipped();
  }

  /** The selected tokens at every hook point, F32 [b,t,d], contiguous; the caller closes them. */
  List<Tensor> activations(ImageBatch batch) {
    int prefix = model.vision().config().prefixTokens();
    Map<HookPoint, Tensor> values = new HashMap<>();
    try (Scope scope = Scope.open()) {
      TowerWalk.past(model.vision(), points)
          .walk(
              images.pixels(batch),
              paused -> {
                Tensor chosen = SelectedTokens.of(paused.value(), tokens, prefix).values();
                values.put(paused.at(), scope.release(chosen.to(DType.F32).contiguous().copy()));
              });
    } catch (NotFiniteException e) {
      throw e.named(batch.ids());
    }
    return points.stream().map(point -> Objects.requireNonNull(values.get(point))).toList();
  }

  private static void add(ImageBatch batch, List<Tensor> activations, StoreWriter writer) {
    for (int i = 0; i < batch.count(); i++) {
      List<MemorySegment> one = new ArrayList<>();
      for (Tensor tensor : activations) {
        long bytes = tensor.bytes() / batch.count();
        one.add(tensor.segment().asSlice(i * bytes, bytes));
      }
      writer.add(batch.ids().get(i), batch.positions().get(i), one);
    }
    activations.forEach(Tensor::close);
  }
}
