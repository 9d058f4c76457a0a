// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.image;

import java.io.IOException;
import javax.imageio.IIOException;
import javax.imageio.stream.ImageInputStreamImpl;

/**
 * Bytes in memory as ImageIO wants them. A reader may look beyond the end some times, and no more:
 * TwelveMonkeys takes the end for zeros, and would make of 56 bytes twenty seconds of tables.
 */
final class MemoryStream extends ImageInputStreamImpl {
  private static final int PATIENCE = 64;

  private final byte[] data;
  private int ends;

  MemoryStream(byte[] data) {
    this.data = data;
  }

  @Override
  public int read() throws IOException {
    bitOffset = 0;
    return streamPos < data.length ? data[(int) streamPos++] & 0xFF : end();
  }

  @Override
  public int read(byte[] b, int off, int len) throws IOException {
    bitOffset = 0;
    if (len == 0) return 0;
    int n = (int) Math.min(len, data.length - streamPos);
    if (n <= 0) return end();
    System.arraycopy(data, (int) streamPos, b, off, n);
    streamPos += n;
    return n;
  }

  @Override
  public long length() {
    return data.length;
  }

  private int end() throws IOException {
    if (++ends > PATIENCE) throw new IIOException("the data end early");
    return -1;
  }
}
