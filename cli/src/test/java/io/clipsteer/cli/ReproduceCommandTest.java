// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class ReproduceCommandTest {
  @TempDir private Path temp;

  @Test
  void x() throws IOException {
    Path data = Files.createDirectory(Path.of("/tmp/rep30/data"));
    PaperSetsFixture.steering(data);
    PaperSetsFixture.saev(data);
  }
}
