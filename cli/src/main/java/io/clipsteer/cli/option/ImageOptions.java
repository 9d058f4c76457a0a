// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import io.clipsteer.data.InputException;
import io.clipsteer.data.InputPaths;
import io.clipsteer.data.image.ImageDecoder;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.imageset.ImageSet;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.lab.run.Images;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/** Which images a command reads, and how. */
public final class ImageOptions {
  @Option(
      names = "--images",
      paramLabel = "SRC",
      converter = AddressConverter.class,
      description =
          "Images: a folder (with its subfolders; class folders are labels), a .tar or a folder of"
              + " them (WebDataset's shards), or a .csv/.tsv of file and label. With"
              + " --master also hdfs://… and other addresses of Hadoop.")
  private @Nullable Path images;

  /** Of a path or an address. */
  static final class AddressConverter implements ITypeConverter<Path> {
    @Override
    public Path convert(String text) {
      try {
        return InputPaths.of(text);
      } catch (InputException e) {
        throw new TypeConversionException(e.getMessage());
      }
    }
  }

  @Spec(Spec.Target.MIXEE)
  private CommandSpec command;

  private long limit = Long.MAX_VALUE;

  /** Checked as it is read: a command that has no use for it refuses nonsense, too. */
  @Option(
      names = "--limit",
      description =
          "Read N images only: as many of each class where they are labelled (default: all).")
  void setLimit(long number) {
    require("--limit", number, Long.MAX_VALUE);
    limit = number;
  }

  @Mixin private BatchOptions batch;

  private int threads = Runtime.getRuntime().availableProcessors();

  /** As {@link #setLimit}. */
  @Option(
      names = "--decode-threads",
      description = "Threads that decode images (default: all processors).")
  void setThreads(int number) {
    require("--decode-threads", number, 4096);
    threads = number;
  }

  /** Of a setter: picocli reports its own kind of exception alone as it is. */
  private void require(String option, long number, long most) {
    try {
      CommonOptions.within(option, number, 1, most);
    } catch (InputException e) {
      throw new ParameterException(command.commandLine(), String.valueOf(e.getMessage()), e);
    }
  }

  @Option(
      names = "--upright",
      description = "Rotate images by their EXIF orientation (PIL and open_clip do not).")
  private boolean upright;

  private @Nullable Path truth;
  private @Nullable ImageSet set;

  /** Whether {@code --images} was given. */
  public boolean isGiven() {
    return images != null;
  }

  /** Where the images are. */
  public Path images() {
    if (images != null) return images;
    throw new ParameterException(
        command.commandLine(), "Which images? Give --images SRC: a folder, a .tar or a table");
  }

  /** Whether images are rotated by their EXIF orientation. */
  public boolean isUpright() {
    return upright;
  }

  /** The images, opened once; what is skipped is reported. */
  public ImageSet set() {
    return set(null).spread(limit);
  }

  /**
   * Takes the images' labels from a table, before the images are opened.
   *
   * @param table null for the set's own labels
   */
  public void labelledBy(@Nullable Path table) {
    truth = table;
  }

  /** How images are decoded: with or without {@code --upright}. */
  public static ImageDecoder.DecodeOptions decoding(boolean upright) {
    return new ImageDecoder.DecodeOptions(ImageDecoder.DecodeOptions.DEFAULT.maxPixels(), upright);
  }

  /** The images as a model reads them. */
  public Images resolve(ClipModel model) {
    return resolve(model, null);
  }

  /** The same with images in the place of {@code --images}, if any. */
  public Images resolve(ClipModel model, @Nullable Path instead) {
    var options = new ImageLoader.Options(batch.size(), threads, 2, 0, limit, decoding(upright));
    return new Images(set(instead).spread(limit), model.preprocessing(), options);
  }

  /** SHA-256 of the images' ids; empty without images. */
  public String hash() {
    return isGiven() ? Images.listing(set(null).spread(limit), limit).sha256() : "";
  }

  /** Opened once: what is skipped is reported once, though two models may read the images. */
  private ImageSet set(@Nullable Path instead) {
    if (set == null) set = Skips.open(instead == null ? images() : instead, truth);
    return set;
  }

  /** Reports on stderr which images were skipped as they were read, and returns the counts. */
  public Skips.Counts report(List<ImageLoader.Skipped> skipped) {
    Skips.print(skipped);
    return Skips.counts(set, skipped);
  }
}
