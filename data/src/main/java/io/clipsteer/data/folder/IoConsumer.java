// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.folder;

import java.io.IOException;

/** Something done with an open file that may fail as files do. */
@FunctionalInterface
public interface IoConsumer<T> {
  /**
   * Does it.
   *
   * @throws IOException when the file cannot be read or written
   */
  void accept(T target) throws IOException;
}
