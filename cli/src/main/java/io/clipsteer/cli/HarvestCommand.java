// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.cli.option.CommonOptions;
import io.clipsteer.cli.option.ImageOptions;
import io.clipsteer.cli.option.Layers;
import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import io.clipsteer.data.folder.WorkFolder;
import io.clipsteer.data.store.StoreFormat;
import io.clipsteer.data.store.StoreWriter;
import io.clipsteer.data.store.TokenCodec;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.lab.run.Counted;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.train.Harvest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Activations on disk. */
@Command(
    name = "harvest",
    description = {
      "Stores the activations of any layers, in one pass over the images.",
      "Stopped at any time, it is resumed with --resume, and the store ends with the same bytes."
    },
    footer = {
      "",
      "Example: clipsteer harvest --model models/clip --images photos --layers 0-11 --dtype bf16"
          + " --out stores/clip"
    })
final class HarvestCommand implements Callable<Integer> {
  @Mixin private CommonOptions common;
  @Mixin private ImageOptions images;

  @Option(
      names = "--model",
      required = true,
      paramLabel = "PATH",
      description = "A checkpoint's folder or file.")
  private Path model;

  @Option(
      names = "--layers",
      required = true,
      paramLabel = "L",
      description = "Blocks whose output is stored, from 0: 2,8 or 0-11.")
  private String layers;

  @Option(
      names = "--site",
      defaultValue = "hook_resid_post",
      description = "hook_resid_post or hook_mlp_out (default: ${DEFAULT-VALUE}).")
  private String site;

  @Option(
      names = "--tokens-selection",
      defaultValue = "all",
      description = "all, cls or patches (default: ${DEFAULT-VALUE}).")
  private String tokens;

  @Option(
      names = "--dtype",
      defaultValue = "bf16",
      description = "Of the store: fp32, bf16 or int8 with a scale a token (default: bf16).")
  private String dtype;

  @Option(
      names = "--tower-dtype",
      defaultValue = "fp32",
      description = "Of the computation: fp32 or bf16 (default: ${DEFAULT-VALUE}).")
  private String towerDtype;

  @Option(names = "--out", required = true, paramLabel = "STORE", description = "New folder.")
  private Path out;

  @Option(names = "--resume", description = "Resume a stopped harvest; repair a damaged store.")
  private boolean resume;

  @Override
  public Integer call() {
    common.apply();
    List<HookPoint> points = Layers.points(layers, site);
    TokenSelection selection =
        CommonOptions.value("--tokens-selection", tokens, TokenSelection::parse);
    if (!dtype.matches("fp32|bf16|int8")) {
      throw new InputException("--dtype " + dtype, "not known", "Use fp32, bf16 or int8");
    }
    TokenCodec codec = TokenCodec.valueOf(dtype.toUpperCase(Locale.ROOT));
    WorkFolder.check(out, StoreWriter.LAYOUT, resume);
    try (ClipModel clip =
        ClipModel.load(model, CommonOptions.dtype("--tower-dtype", towerDtype), common.device())) {
      for (HookPoint point : points) clip.vision().check(point);
      Images source = images.resolve(clip);
      StoreFormat format = Harvest.format(clip, source, points, selection, codec);
      forecast(format, source, clip, points);
      var hashes = Map.of("model", format.model(), "data", format.listing());
      try (WorkFolder folder =
          WorkFolder.open(out, StoreWriter.LAYOUT, resume, common.manifest(hashes))) {
        var result = Harvest.run(clip, source, points, selection, format, out, common.progress());
        folder.finish();
        images.printSkipped(result.skipped());
        common.print(json(result), text(result));
      }
    }
    return 0;
  }

  /** Says what will be written, and refuses to begin what the disk cannot hold. */
  private void forecast(StoreFormat format, Images source, ClipModel clip, List<HookPoint> points) {
    long count = source.count();
    if (count < 0) return;
    long bytes = format.bytes(count);
    System.err.printf(
        Locale.ROOT,
        "%s: about %.1f MB in %s, about %s%n",
        Counted.of(count, "image"),
        bytes * 1e-6,
        out,
        time(count * Harvest.secondsPerImage(clip, source, points)));
    Path there = out.toAbsolutePath();
    while (there != null && !Files.exists(there)) there = there.getParent();
    if (there == null || resume) return;
    try {
      long free = Files.getFileStore(there).getUsableSpace();
      if (free < bytes) {
        throw new InputException(
            out,
            String.format(
                Locale.ROOT,
                "needs about %.1f MB, and the disk has %.1f MB free",
                bytes * 1e-6,
                free * 1e-6),
            "Store fewer layers, --dtype int8, or --tokens-selection patches");
      }
    } catch (IOException e) {
      System.err.println("the disk does not tell how much is free: " + Reasons.of(e));
    }
  }

  private static String time(double seconds) {
    if (seconds < 90) return String.format(Locale.ROOT, "%.0f s", Math.max(1, seconds));
    if (seconds < 5400) return String.format(Locale.ROOT, "%.0f min", seconds / 60);
    return String.format(Locale.ROOT, "%.1f h", seconds / 3600);
  }

  private Map<String, Object> json(Harvest.Result result) {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("images", result.images());
    json.put("tokens", result.tokens());
    json.put("bytes", result.bytes());
    json.put("harvested_images", result.harvested());
    json.put("tokens_per_second", result.tokensPerSecond());
    images.addSkipped(json, result.skipped());
    json.put("store", out.toString());
    return json;
  }

  private String text(Harvest.Result result) {
    return String.format(
        Locale.ROOT,
        "%s: %s, %s of each hook point, %.1f MB; %.0f tokens/s",
        out,
        Counted.of(result.images(), "image"),
        Counted.of(result.tokens(), "token"),
        result.bytes() * 1e-6,
        result.tokensPerSecond());
  }
}
