// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.imageset;

import org.jspecify.annotations.Nullable;

/** One pass over an {@link ImageSet}. For one thread at a time. */
public interface ImageCursor extends AutoCloseable {
  /** The next image, or null at the end. Damaged images fail when they are read or decoded. */
  @Nullable ImageItem next();

  @Override
  void close();
}
