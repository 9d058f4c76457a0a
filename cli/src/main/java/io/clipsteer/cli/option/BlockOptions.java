// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import io.clipsteer.data.InputException;
import io.clipsteer.lab.run.ImageBlocks;
import io.clipsteer.lab.run.Images;
import picocli.CommandLine.Option;

/** The blocks that images are computed in. */
public final class BlockOptions {
  @Option(
      names = "--block-size",
      defaultValue = "0",
      paramLabel = "N",
      description =
          "Images of a block, whole batches: sums are those of blocks, and harvest stores a block"
              + " as one shard (default: near 2,048; of harvest near 256 MB).")
  private int size;

  /**
   * Images of a block as given; 0 where it is not.
   *
   * @param batch images of a batch
   */
  public int size(int batch) {
    if (size >= 0 && size % batch == 0) return size;
    throw new InputException(
        "--block-size " + size, "no whole batches of " + batch, "Give a multiple of it");
  }

  /** The images in blocks. */
  public ImageBlocks of(Images images) {
    int given = size(images.options().batchSize());
    return given == 0 ? ImageBlocks.of(images) : new ImageBlocks(images, given);
  }
}
