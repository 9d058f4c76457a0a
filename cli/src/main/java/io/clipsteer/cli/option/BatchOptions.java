// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import io.clipsteer.data.InputException;
import io.clipsteer.data.imageset.ImageLoader;
import picocli.CommandLine.Option;

/** How many images the tower takes at once. */
public final class BatchOptions {
  @Option(
      names = "--image-batch",
      defaultValue = "32",
      paramLabel = "N",
      description = "Images the tower takes at once (default: ${DEFAULT-VALUE}).")
  private int batch;

  /** How images are loaded, without a limit. */
  public ImageLoader.Options loading() {
    if (batch < 1 || batch > 1 << 16) {
      throw new InputException("--image-batch " + batch, "not from 1 to 65536", "Try 32");
    }
    return ImageLoader.Options.of(batch);
  }
}
