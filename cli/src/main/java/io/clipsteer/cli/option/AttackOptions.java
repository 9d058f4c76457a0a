// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import io.clipsteer.data.imageset.ImageSet;
import io.clipsteer.lab.attack.Writing;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Images to write words on, and the height of the letters. */
public final class AttackOptions {
  @Option(
      names = "--images",
      paramLabel = "SRC",
      converter = ImageOptions.AddressConverter.class,
      description =
          "Images without writing: class folders, a .tar of them, or a .csv/.tsv of file and"
              + " label.")
  private @Nullable Path images;

  @Mixin private TruthOption truth;

  @Option(
      names = "--letters",
      defaultValue = "0.12-0.3",
      paramLabel = "LOW-HIGH",
      description = "Height of the letters, shares of the image's shorter side.")
  private String letters;

  @Spec(Spec.Target.MIXEE)
  private CommandSpec command;

  /** Whether images or their classes were given. */
  public boolean isGiven() {
    return images != null || truth.table() != null;
  }

  /**
   * The --images.
   *
   * @param instead what else can be given, for the message
   */
  public Path images(String instead) {
    if (images != null) return images;
    throw new ParameterException(command.commandLine(), "Give --images=SRC" + instead);
  }

  public @Nullable Path truth() {
    return truth.table();
  }

  /** Opens the images and reports on stderr what was skipped. */
  public ImageSet open(String instead) {
    return Skips.open(images(instead), truth.table());
  }

  /** As given. */
  public String range() {
    return letters;
  }

  public Writing.Letters letters() {
    return Writing.Letters.parse(letters);
  }
}
