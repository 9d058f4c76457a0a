// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.imageset;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.jspecify.annotations.Nullable;

/**
 * Images in tar archives, each read from its place: archives in the order of their names, and the
 * images of each in the order of theirs.
 *
 * @param origin the archive, or the folder of several
 * @param images in their order
 */
record TarSet(Path origin, List<TarImage> images, Listing listing) implements ImageSet {
  /** Archives whose headers are read at once: a file system of many machines takes long for one. */
  private static final int READERS = 8;

  /**
   * Archives that a pass holds open: images at the end of one are read beside those of the next.
   */
  private static final int OPEN = 2;

  /**
   * An image.
   *
   * @param offset of its bytes in the archive
   * @param size number of its bytes
   */
  record TarImage(Path archive, String id, @Nullable String label, long offset, int size) {
    TarImage labelled(@Nullable String name) {
      return new TarImage(archive, id, name, offset, size);
    }
  }

  TarSet {
    images = List.copyOf(images);
  }

  /**
   * Lists archives. With several the ids begin with the archive's name.
   *
   * @param beside what was skipped beside the archives
   * @throws InputException when one is damaged, or none has an image
   */
  static TarSet of(Path origin, List<Path> archives, Listing beside) {
    List<TarImage> images = new ArrayList<>();
    Listing.ListingBuilder met = new Listing.ListingBuilder();
    met.add(beside);
    ClassFolders folders = new ClassFolders();
    for (TarListing one : listed(archives)) one.addTo(images, met, folders);
    folders.note(met, null);
    Listing listing = met.build(images.size());
    if (images.isEmpty()) throw FolderListing.empty(origin, "in it", listing);
    return new TarSet(origin, images, listing);
  }

  private static List<TarListing> listed(List<Path> archives) {
    if (archives.size() == 1) return List.of(TarListing.of(archives.getFirst(), ""));
    try (ExecutorService readers =
        Executors.newFixedThreadPool(
            Math.min(READERS, archives.size()), Thread.ofPlatform().daemon().factory())) {
      List<Future<TarListing>> listings = new ArrayList<>();
      for (Path archive : archives) {
        listings.add(readers.submit(() -> TarListing.of(archive, archive.getFileName() + "/")));
      }
      List<TarListing> all = new ArrayList<>();
      for (Future<TarListing> listing : listings) all.add(listing.get());
      return all;
    } catch (ExecutionException e) {
      if (e.getCause() instanceof InputException fault) throw fault;
      throw new IllegalStateException("listing failed", e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InputException("the archives' listing", "was interrupted", "Start again", e);
    }
  }

  @Override
  public ImageCursor cursor() {
    return new Cursor();
  }

  private final class Cursor implements ImageCursor {
    private final OpenArchives archives = new OpenArchives();
    private int at;

    @Override
    public @Nullable ImageItem next() {
      if (at == images.size()) return null;
      TarImage image = images.get(at++);
      return new ImageItem(image.id, image.label, () -> archives.bytes(image));
    }

    @Override
    public void close() {
      archives.close();
    }
  }

  /** The archives that a pass reads; after its end each image opens its own. */
  private static final class OpenArchives {
    private final Map<Path, SeekableByteChannel> open = new LinkedHashMap<>(4, 0.75f, true);
    private boolean closed;

    /** By one thread at a time: a channel has one position. */
    synchronized byte[] bytes(TarImage image) {
      try {
        if (closed) {
          try (SeekableByteChannel channel = Files.newByteChannel(image.archive)) {
            return read(channel, image);
          }
        }
        SeekableByteChannel channel = open.get(image.archive);
        if (channel == null) {
          if (open.size() == OPEN) close(open.entrySet().iterator());
          channel = Files.newByteChannel(image.archive);
          open.put(image.archive, channel);
        }
        return read(channel, image);
      } catch (IOException e) {
        throw new InputException(
            image.id, "cannot be read: " + Reasons.of(e), "Check the archive", e);
      }
    }

    private static byte[] read(SeekableByteChannel channel, TarImage image) throws IOException {
      ByteBuffer bytes = ByteBuffer.allocate(image.size);
      channel.position(image.offset);
      while (bytes.hasRemaining()) {
        if (channel.read(bytes) < 0) throw new IOException("the archive ends before it");
      }
      return bytes.array();
    }

    private static void close(Iterator<Map.Entry<Path, SeekableByteChannel>> channels) {
      var entry = channels.next();
      channels.remove();
      try {
        entry.getValue().close();
      } catch (IOException e) {
        throw new InputException(
            entry.getKey(), "cannot be closed: " + Reasons.of(e), "Try again", e);
      }
    }

    synchronized void close() {
      closed = true;
      for (var channels = open.entrySet().iterator(); channels.hasNext(); ) close(channels);
    }
  }
}
