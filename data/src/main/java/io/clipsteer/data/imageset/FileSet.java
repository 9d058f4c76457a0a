// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.imageset;

import io.clipsteer.data.image.ImageDecoder;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Images below a folder, in the order of a list; names are taken as checked.
 *
 * @param origin what was listed: the folder itself, or a table
 * @param folder what the names are relative to
 */
record FileSet(Path origin, Path folder, List<Listed> files, Listing listing) implements ImageSet {
  /** An image's path relative to the folder, and its label or null. */
  record Listed(String id, @Nullable String label) {}

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
        Listed file = files.get(at++);
        return new ImageItem(
            file.id, file.label, () -> ImageDecoder.readAll(folder.resolve(file.id)));
      }

      @Override
      public void close() {}
    };
  }
}
