// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonUnwrapped;
import io.clipsteer.cli.option.BlockOptions;
import io.clipsteer.cli.option.ClusterOptions;
import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.DtypeWords;
import io.clipsteer.cli.option.FolderOptions;
import io.clipsteer.cli.option.HookOptions;
import io.clipsteer.cli.option.ImageOptions;
import io.clipsteer.cli.option.ModelOption;
import io.clipsteer.cli.option.Skips;
import io.clipsteer.cli.show.Lines;
import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import io.clipsteer.data.folder.WorkFolder;
import io.clipsteer.data.store.StoreFormat;
import io.clipsteer.data.store.StoreWriter;
import io.clipsteer.data.store.TokenCodec;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.TowerKind;
import io.clipsteer.lab.block.BlockCluster;
import io.clipsteer.lab.block.BlockWork;
import io.clipsteer.lab.block.WorkPlan;
import io.clipsteer.lab.run.Counted;
import io.clipsteer.lab.train.Harvest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Activations on disk. */
@Command(
    name = "harvest",
    description = {
      "Store the activations of layers on disk, in one pass over the images.",
      "Train on the store with clipsteer train --store."
    },
    footer =
        "Example: clipsteer harvest --model models/clip --images photos --layers 0-11 --dtype bf16"
            + " --out stores/clip")
final class HarvestCommand implements Runnable, BlockCommand, PlannedCommand {
  @Mixin private CommonOptions common;
  @Mixin private ImageOptions images;
  @Mixin private HookOptions hook;
  @Mixin private FolderOptions folder;
  @Mixin private BlockOptions blocks;
  @Mixin private ClusterOptions cluster;

  @Mixin private ModelOption model;

  @Option(
      names = "--dtype",
      defaultValue = "bf16",
      paramLabel = "DTYPE",
      completionCandidates = DtypeWords.class,
      description = "Format of the store: ${COMPLETION-CANDIDATES}; int8 has a scale per token.")
  private TokenCodec codec;

  @Option(
      names = "--tower-dtype",
      defaultValue = "fp32",
      paramLabel = "DTYPE",
      completionCandidates = DtypeWords.class,
      description = "Arithmetic of the tower: fp32 or bf16.")
  private DType towerDtype;

  /** What {@code --json} prints. */
  private record Json(
      @JsonUnwrapped @JsonIgnoreProperties("skipped") Harvest.HarvestSummary result,
      @JsonUnwrapped Skips.Counts skips,
      String store) {}

  @Override
  public void run() {
    common.apply();
    List<HookPoint> points = hook.points(TowerKind.VISION);
    folder.check(StoreWriter.LAYOUT);
    try (ClipModel clip = ClipModel.load(model.path(), towerDtype, common.device())) {
      Harvest harvest = harvest(clip, points);
      cluster.check(common);
      StoreFormat format = format(harvest);
      forecast(format, harvest);
      Harvest.HarvestSummary result;
      var hashes = Map.of("model", format.model(), "data", format.listing());
      try (WorkFolder work = folder.open(StoreWriter.LAYOUT, common.manifest(hashes))) {
        result =
            cluster.isGiven()
                ? onCluster(harvest, format, work.path())
                : harvest.run(format, work.path(), common.progress());
        work.finish();
      }
      common.print(
          new Json(result, images.report(result.skipped()), folder.out().toString()), text(result));
    }
  }

  private Harvest harvest(ClipModel clip, List<HookPoint> points) {
    for (HookPoint point : points) clip.vision().check(point);
    return new Harvest(clip, images.resolve(clip), points, hook.tokens());
  }

  private StoreFormat format(Harvest harvest) {
    return harvest.format(codec, blocks.size(harvest.images().options().batchSize()));
  }

  private Harvest.HarvestSummary onCluster(Harvest harvest, StoreFormat format, Path out) {
    long begin = System.nanoTime();
    long count = harvest.images().count();
    try (StoreWriter writer = StoreWriter.open(out, format);
        BlockCluster.ClusterSession session = cluster.later(common)) {
      List<Integer> missing = Harvest.missing(writer, count);
      long left = Math.min(count, (long) missing.size() * format.imagesPerShard());
      long harvested = session.compute("harvesting", missing, left, "images", common.progress());
      double seconds = (System.nanoTime() - begin) * 1e-9;
      return Harvest.summary(format, writer.finish(count), harvested, seconds);
    }
  }

  /** What a process of a cluster does: it fills shards of the store that the command opened. */
  @Override
  public BlockWork open() {
    common.apply();
    return BlockWork.of(
        ClipModel.load(model.path(), towerDtype, common.device()),
        ClipModel::close,
        clip -> {
          Harvest harvest = harvest(clip, hook.points(TowerKind.VISION));
          StoreFormat format = format(harvest);
          return (stage, block) -> harvest.shard(format, folder.out(), block);
        });
  }

  @Override
  public WorkPlan plan() {
    common.apply();
    try (ClipModel clip = ClipModel.load(model.path(), towerDtype, common.device())) {
      Harvest harvest = harvest(clip, hook.points(TowerKind.VISION));
      return harvest.plan(format(harvest));
    }
  }

  /** Prints the size of the store, and refuses one that the disk cannot hold. */
  private void forecast(StoreFormat format, Harvest harvest) {
    long count = harvest.images().count();
    Path out = folder.out();
    long bytes = format.bytes(count);
    System.err.printf(
        Locale.ROOT,
        "%s: about %.1f MB in %s, about %s%n",
        Counted.of(count, "image"),
        bytes * 1e-6,
        out,
        Lines.duration(count * harvest.secondsPerImage()));
    Path there = out.toAbsolutePath();
    while (there != null && !Files.exists(there)) there = there.getParent();
    if (there == null || folder.resume()) return;
    try {
      long free = Files.getFileStore(there).getUsableSpace();
      if (free < bytes) {
        throw new InputException(
            out,
            Lines.of(
                "needs about %.1f MB, and the disk has %.1f MB free", bytes * 1e-6, free * 1e-6),
            "Store fewer layers, --dtype int8, or --tokens-selection patches");
      }
    } catch (IOException e) {
      System.err.println("the free space of the disk is unknown: " + Reasons.of(e));
    }
  }

  private String text(Harvest.HarvestSummary result) {
    return Lines.of(
        "%s: %s, %s of each hook point, %.1f MB; %.0f tokens/s",
        folder.out(),
        Counted.of(result.images(), "image"),
        Counted.of(result.tokens(), "token"),
        result.bytes() * 1e-6,
        result.tokensPerSecond());
  }
}
