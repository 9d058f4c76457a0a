// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.image;

import java.nio.file.Path;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Those pictures of another set whose ids are chosen, in that set's order. */
record Subset(ImageSet whole, Set<String> ids) implements ImageSet {
  Subset {
    ids = Set.copyOf(ids);
  }

  @Override
  public Path origin() {
    return whole.origin();
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
