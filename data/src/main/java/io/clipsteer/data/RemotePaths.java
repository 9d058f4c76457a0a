// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data;

import java.nio.file.Path;

/** Opens addresses of file systems that Java itself does not know; a Java service. */
public interface RemotePaths {
  /**
   * A path that {@link java.nio.file.Files} reads, and does not write. Nothing is reached yet.
   *
   * @param address such as {@code hdfs://host:8020/images}
   * @throws InputException when it is no address
   */
  Path path(String address);
}
