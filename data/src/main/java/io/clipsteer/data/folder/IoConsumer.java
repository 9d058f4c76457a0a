// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.folder;

import java.io.IOException;

/** An operation on an open file. */
@FunctionalInterface
public interface IoConsumer<T> {
  /**
   * Performs the operation.
   *
   * @throws IOException when the file cannot be read or written
   */
  void accept(T target) throws IOException;
}
