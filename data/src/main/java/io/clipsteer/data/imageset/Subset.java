// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.imageset;

import java.nio.file.Path;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Those images of another set whose ids are chosen, in that set's order. */
record Subset(ImageSet whole, Set<String> ids) implements ImageSet {
  Subset {
    whole = whole.whole();
    ids = Set.copyOf(ids);
  }

  @Override
  public Path origin() {
    return whole.origin();
  }

  /** The whole set's: what a limit leaves is not skipped. */
  @Override
  public Listing listing() {
    return whole.listing();
  }

  @Override
  public ImageCursor cursor() {
    ImageCursor all = whole.cursor();
    return new ImageCursor() {
      @Override
      public @Nullable ImageItem next() {
        ImageItem item = all.next();
        while (item != null && !ids.contains(item.id())) item = all.next();
        return item;
      }

      @Override
      public void close() {
        all.close();
      }
    };
  }
}
