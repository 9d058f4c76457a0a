// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data;

import java.io.IOException;

/** What is made of something open. */
@FunctionalInterface
public interface IoFunction<A, B> {
  /**
   * Makes it.
   *
   * @throws IOException when a file cannot be read or written
   */
  B apply(A from) throws IOException;
}
