// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.train;

import io.clipsteer.data.Hashes;
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
import io.clipsteer.engine.model.NotFiniteException;
import io.clipsteer.engine.model.SelectedTokens;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.lab.block.WorkPlan;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.TokenLayout;
import io.clipsteer.lab.run.TowerRate;
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
import java.util.stream.IntStream;

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

  /** Lets the store's size choose the images of a shard. */
  public static final int ANY_SHARD = 0;

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

  /**
   * The store's format.
   *
   * @param shard images that a shard covers, whole batches; {@link #ANY_SHARD} for near 256 MiB
   */
  public StoreFormat format(TokenCodec codec, int shard) {
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
        shard == ANY_SHARD
            ? batch * (int) Math.clamp(SHARD_BYTES / imageBytes / batch, 1, MAX_SHARD_BATCHES)
            : shard);
  }

  /**
   * Seconds that the tower takes per image, measured. Decoding runs in parallel and usually takes
   * less.
   */
  public double secondsPerImage() {
    return TowerRate.secondsPerImage(model, images, Collections.max(points));
  }

  /**
   * What it costs in blocks.
   *
   * @param format of the store
   */
  public WorkPlan plan(StoreFormat format) {
    long count = images.count();
    TowerRate rate = TowerRate.measure(model, images);
    double flops = TowerWalk.past(model.vision(), points).flopsPerImage();
    long tasks = (count + format.imagesPerShard() - 1) / format.imagesPerShard();
    return new WorkPlan(
        List.of(
            new WorkPlan.PlannedStage(
                "harvesting",
                true,
                tasks,
                rate.bytes(count),
                (double) format.bytes(count),
                flops * count,
                rate.seconds(count, flops),
                0)),
        rate.residentBytes() + format.bytes(Math.min(count, format.imagesPerShard())),
        List.of());
  }

  /**
   * Fills a store.
   *
   * @param out a folder that nobody else writes; a store of the same format there is continued
   */
  public HarvestSummary run(StoreFormat format, Path out, Progress progress) {
    for (HookPoint point : points) model.vision().check(point);
    long begin = System.nanoTime();
    long count = images.count();
    try (StoreWriter writer = StoreWriter.open(out, format)) {
      List<Integer> missing = missing(writer, count);
      long left = missing.size() * (long) format.imagesPerShard();
      long harvested = 0;
      try (var task = progress.start("harvesting", Math.min(left, count), "images")) {
        for (int next = 0; next < missing.size(); ) {
          int from = next++;
          while (next < missing.size() && missing.get(next) == missing.get(next - 1) + 1) next++;
          long end = shardEnd(format, missing.get(next - 1), count);
          harvested += fill(writer, format, missing.get(from), end, task);
        }
      }
      return summary(format, writer.finish(count), harvested, (System.nanoTime() - begin) * 1e-9);
    }
  }

  /**
   * Fills one shard of a store that others fill at the same time.
   *
   * @param out the store, opened by {@link StoreWriter#open} before
   * @return images in it
   */
  public long shard(StoreFormat format, Path out, int number) {
    try (StoreWriter writer = StoreWriter.join(out, format);
        var task = Progress.SILENT.start("harvesting", -1, "images")) {
      long end = shardEnd(format, number, images.count());
      return fill(writer, format, number, end, task);
    }
  }

  private static long shardEnd(StoreFormat format, int number, long count) {
    return Math.min(count, (number + 1L) * format.imagesPerShard());
  }

  /**
   * The shards that are not whole.
   *
   * @param count images of the source
   */
  public static List<Integer> missing(StoreWriter writer, long count) {
    return IntStream.range(0, writer.shards(count))
        .filter(number -> !writer.isWhole(number, count))
        .boxed()
        .toList();
  }

  /** The figures of a store whose shards are all there. */
  public static HarvestSummary summary(
      StoreFormat format, StoreWriter.StoreContent content, long harvested, double seconds) {
    long images = content.images();
    return new HarvestSummary(
        images,
        images * format.tokensPerImage(),
        format.bytes(images),
        harvested,
        (double) harvested * format.tokensPerImage() * format.hookPoints().size() / seconds,
        content.skipped().entrySet().stream()
            .map(one -> new ImageLoader.Skipped(one.getKey(), one.getValue(), -1))
            .toList());
  }

  /** Fills the shards from a number on, up to a place in the source; returns the images in them. */
  private long fill(
      StoreWriter writer, StoreFormat format, int shard, long end, Progress.Task task) {
    double flops = TowerWalk.past(model.vision(), points).flopsPerImage();
    long start = (long) shard * format.imagesPerShard();
    long most = Math.min(end, images.options().limit());
    var options =
        images
            .options()
            .withStart(start)
            .withLimit(Math.max(0, most - start))
            .withBlock(format.imagesPerShard());
    writer.seek(shard);
    long used = 0;
    int noted = 0;
    try (ImageLoader loader = new Images(images.set(), images.preprocessing(), options).open()) {
      for (ImageBatch batch = loader.next(); batch != null; batch = loader.next()) {
        List<ImageLoader.Skipped> skipped = loader.skipped();
        for (; noted < skipped.size(); noted++) note(skipped.get(noted), writer);
        try (Scope scope = Scope.open()) {
          add(batch, activations(batch), writer);
        }
        used += batch.count();
        task.advance(batch.count(), flops * batch.count());
      }
      List<ImageLoader.Skipped> skipped = loader.skipped();
      for (; noted < skipped.size(); noted++) note(skipped.get(noted), writer);
    }
    writer.complete(end);
    return used;
  }

  private static void note(ImageLoader.Skipped one, StoreWriter writer) {
    writer.skip(one.id(), one.position(), one.reason());
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
