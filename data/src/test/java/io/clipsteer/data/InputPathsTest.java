// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What is a path and what is an address; Hadoop's are tested with the cluster. */
final class InputPathsTest {
  @Test
  void pathsAreNoAddresses() {
    for (String path : List.of("a", "/a/b", "C:/a", "a/b://c", "hdfs", "hdfs:a", "./s3a://b")) {
      assertFalse(InputPaths.isAddress(path), path);
      assertEquals(Path.of(path), InputPaths.of(path));
    }
    for (String address : List.of("hdfs://h:1/a", "s3a://b/c d", "viewfs:/a", "FILE:///a")) {
      assertTrue(InputPaths.isAddress(address), address);
    }
    assertEquals(Path.of("/a b/ü"), InputPaths.of("file:///a%20b/ü"));
    for (String wrong : List.of("", "file://host/a", "file:///a b", "\0")) {
      var e = assertThrows(InputException.class, () -> InputPaths.of(wrong));
      assertEquals(1, (e.getMessage() + "").lines().count());
    }
  }
}
