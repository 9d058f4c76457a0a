// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import io.clipsteer.data.InputException;
import io.clipsteer.data.image.ImageDecoder;
import io.clipsteer.data.image.ImageLoader;
import io.clipsteer.data.image.ImageSet;
import io.clipsteer.engine.model.ClipModel;
import io.clipsteer.lab.Pictures;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Where pictures come from. */
final class PictureOptions {
  @Option(
      names = "--images",
      paramLabel = "SRC",
      description = "Folder (recursive), labelled folders, .tar, or .csv/.tsv of file and label.")
  private @Nullable Path images;

  @Spec(Spec.Target.MIXEE)
  private CommandSpec command;

  @Option(
      names = "--limit",
      defaultValue = "9223372036854775807",
      hideParamSyntax = true,
      paramLabel = "N",
      description = "Only the first N pictures.")
  private long limit;

  @Option(
      names = "--image-batch",
      defaultValue = "32",
      paramLabel = "N",
      description = "Pictures the tower takes at once (default: ${DEFAULT-VALUE}).")
  private int batch;

  @Option(
      names = "--decode-threads",
      defaultValue = "0",
      paramLabel = "N",
      description = "Threads that decode ahead of the model (default: all processors).")
  private int threads;

  @Option(
      names = "--upright",
      description = "Turn pictures by their EXIF orientation (PIL and open_clip do not).")
  private boolean upright;

  /** Whether --images was given. */
  boolean isGiven() {
    return images != null;
  }

  Path images() {
    if (images == null) {
      throw new ParameterException(
          command.commandLine(), "Missing required option: '--images=SRC'");
    }
    return images;
  }

  Pictures resolve(ClipModel model) {
    if (limit < 1) throw new InputException("--limit " + limit, "below 1", "Leave it out for all");
    if (batch < 1 || batch > 1 << 16) {
      throw new InputException("--image-batch " + batch, "not from 1 to 65536", "Try 32");
    }
    int decoders = threads > 0 ? threads : Runtime.getRuntime().availableProcessors();
    var decoding = new ImageDecoder.Options(ImageDecoder.Options.DEFAULT.maxPixels(), upright);
    var options = new ImageLoader.Options(batch, decoders, 2, 0, limit, decoding);
    return new Pictures(ImageSet.open(images()), model.preprocessing(), options);
  }
}
