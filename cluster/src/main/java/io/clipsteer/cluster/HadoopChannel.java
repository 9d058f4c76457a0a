// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cluster;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.NonWritableChannelException;
import java.nio.channels.SeekableByteChannel;
import org.apache.hadoop.fs.FSDataInputStream;

/** A file in one of Hadoop's file systems, open for reading by one thread at a time. */
final class HadoopChannel implements SeekableByteChannel {
  /** So many bytes at once for buffers outside Java's memory. */
  private static final int PIECE = 1 << 16;

  private final FSDataInputStream in;
  private final long size;
  private long position;
  private boolean open = true;

  HadoopChannel(FSDataInputStream in, long size) {
    this.in = in;
    this.size = size;
  }

  /** Seeks first where something else was read last: streams skip short ways by reading. */
  @Override
  public int read(ByteBuffer target) throws IOException {
    if (!open) throw new ClosedChannelException();
    if (position >= size) return -1;
    try {
      if (in.getPos() != position) in.seek(position);
      int read;
      if (target.hasArray()) {
        int at = target.arrayOffset() + target.position();
        read = in.read(target.array(), at, target.remaining());
        if (read > 0) target.position(target.position() + read);
      } else {
        byte[] piece = new byte[Math.min(PIECE, target.remaining())];
        read = in.read(piece, 0, piece.length);
        if (read > 0) target.put(piece, 0, read);
      }
      position += Math.max(read, 0);
      return read;
    } catch (IOException e) {
      throw new UncheckedIOException(e.getMessage(), e); // See HadoopProvider.
    }
  }

  @Override
  public int write(ByteBuffer source) {
    throw new NonWritableChannelException();
  }

  @Override
  public long position() {
    return position;
  }

  @Override
  public SeekableByteChannel position(long place) {
    if (place < 0) throw new IllegalArgumentException("" + place);
    position = place;
    return this;
  }

  @Override
  public long size() {
    return size;
  }

  @Override
  public SeekableByteChannel truncate(long length) {
    throw new NonWritableChannelException();
  }

  @Override
  public boolean isOpen() {
    return open;
  }

  @Override
  public void close() throws IOException {
    open = false;
    in.close();
  }
}
