// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import io.clipsteer.data.InputException;
import io.clipsteer.data.image.ImageDecoder;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.imageset.ImageSet;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.lab.run.Images;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Where images come from. */
public final class ImageOptions {
  @Option(
      names = "--images",
      paramLabel = "SRC",
      description = "Folder (recursive), labelled folders, .tar, or .csv/.tsv of file and label.")
  private @Nullable Path images;

  @Spec(Spec.Target.MIXEE)
  private CommandSpec command;

  private long limit = Long.MAX_VALUE;

  /** Checked as it is read: a command that has no use for it refuses nonsense, too. */
  @Option(
      names = "--limit",
      paramLabel = "N",
      description = {
        "Only N images, of labelled ones as many of each class; of a .tar the first"
            + " (default: all)."
      })
  void setLimit(long number) {
    if (number < 1) throw below("--limit", number);
    limit = number;
  }

  @Option(
      names = "--image-batch",
      defaultValue = "32",
      paramLabel = "N",
      description = "Images the tower takes at once (default: ${DEFAULT-VALUE}).")
  private int batch;

  private int threads = Runtime.getRuntime().availableProcessors();

  /** As {@link #setLimit}. */
  @Option(
      names = "--decode-threads",
      paramLabel = "N",
      description = "Threads that decode ahead of the model (default: all processors).")
  void setThreads(int number) {
    if (number < 1) throw below("--decode-threads", number);
    threads = number;
  }

  @Option(
      names = "--upright",
      description = "Turn images by their EXIF orientation (PIL and open_clip do not).")
  private boolean upright;

  private @Nullable ImageSet set;

  private ParameterException below(String option, long number) {
    return new ParameterException(
        command.commandLine(), option + " " + number + ": below 1. Leave it out for all");
  }

  /** Whether --images was given. */
  public boolean isGiven() {
    return images != null;
  }

  public Path images() {
    if (images == null) {
      throw new ParameterException(
          command.commandLine(), "Missing required option: '--images=SRC'");
    }
    return images;
  }

  public Images resolve(ClipModel model) {
    if (batch < 1 || batch > 1 << 16) {
      throw new InputException("--image-batch " + batch, "not from 1 to 65536", "Try 32");
    }
    var decoding = new ImageDecoder.Options(ImageDecoder.Options.DEFAULT.maxPixels(), upright);
    var options = new ImageLoader.Options(batch, threads, 2, 0, limit, decoding);
    return new Images(set().spread(limit), model.preprocessing(), options);
  }

  /** SHA-256 of the images' ids; empty for an archive, or without images. */
  public String hash() {
    return isGiven() ? Images.listing(set().spread(limit), limit).sha256() : "";
  }

  /** Opened once: what is skipped is said once, though two models may read the images. */
  private ImageSet set() {
    if (set == null) set = Skips.open(images());
    return set;
  }

  /** Says on stderr which images were skipped as they were read. */
  public void printSkipped(List<ImageLoader.Skipped> skipped) {
    Skips.print(set, skipped);
  }

  /** Adds what was used and skipped to a command's JSON. */
  public void addSkipped(Map<String, ? super Object> json, List<ImageLoader.Skipped> skipped) {
    Skips.addTo(json, set, skipped);
  }
}
