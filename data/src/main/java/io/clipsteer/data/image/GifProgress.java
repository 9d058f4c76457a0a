// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.image;

import javax.imageio.ImageReader;
import javax.imageio.event.IIOReadProgressListener;

/**
 * Tells whether the JDK's GIF reader filled every row, which it does not say itself, and stops it
 * where data of any length follow a full frame.
 */
final class GifProgress implements IIOReadProgressListener {
  private boolean complete;

  boolean complete() {
    return complete;
  }

  @Override
  public void imageProgress(ImageReader source, float percentageDone) {
    // Not at the last row: the reader stores a row after this call.
    if (complete) source.abort();
    if (percentageDone >= 100) complete = true;
  }

  @Override
  public void imageStarted(ImageReader source, int imageIndex) {}

  @Override
  public void imageComplete(ImageReader source) {}

  @Override
  public void sequenceStarted(ImageReader source, int minIndex) {}

  @Override
  public void sequenceComplete(ImageReader source) {}

  @Override
  public void thumbnailStarted(ImageReader source, int imageIndex, int thumbnailIndex) {}

  @Override
  public void thumbnailProgress(ImageReader source, float percentageDone) {}

  @Override
  public void thumbnailComplete(ImageReader source) {}

  @Override
  public void readAborted(ImageReader source) {}
}
