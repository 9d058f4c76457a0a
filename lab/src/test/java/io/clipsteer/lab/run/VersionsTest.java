// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.run;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

final class VersionsTest {
  @Test
  void theVersionIsTheBuilds() throws IOException {
    var own =
        Pattern.compile("<artifactId>clipsteer</artifactId>\\s*<version>([^<]+)</version>")
            .matcher(Files.readString(Path.of("../pom.xml")));
    assertEquals(own.results().findFirst().orElseThrow().group(1), Versions.CLIPSTEER);
  }
}
