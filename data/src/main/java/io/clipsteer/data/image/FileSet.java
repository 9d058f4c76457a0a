// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.image;

import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Pictures below a folder, in the order of a list; names are taken as checked. */
record FileSet(Path origin, Path folder, List<Entry> files) implements ImageSet {
  /** A picture's path relative to the folder, and its label. */
  record Entry(String id, String label) {}

  FileSet {
    files = List.copyOf(files);
  }

  @Override
  public ImageCursor cursor() {
    return new ImageCursor() {
      private int at;

      @Override
      public @Nullable ImageItem next() {
        if (at == files.size()) return null;
        Entry file = files.get(at++);
        return new ImageItem(
            file.id, file.label, () -> ImageDecoder.readAll(folder.resolve(file.id)));
      }

      @Override
      public void close() {}
    };
  }
}
