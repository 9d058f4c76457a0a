// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import io.clipsteer.data.imageset.ImageLoader;
import picocli.CommandLine.Option;

/** {@code --image-batch}, of every command that runs images through the tower. */
public final class BatchOptions {
  @Option(
      names = "--image-batch",
      defaultValue = "32",
      description = "Images in one forward pass of the tower.")
  private int batch;

  /** Images in one forward pass, 1 to 65536. */
  public int size() {
    CommonOptions.within("--image-batch", batch, 1, 1 << 16);
    return batch;
  }

  /**
   * How images are loaded where only the batch is the user's choice: by all processors.
   *
   * @param limit most images that are read
   */
  public ImageLoader.Options loading(long limit) {
    return ImageLoader.Options.of(size()).withLimit(limit);
  }
}
