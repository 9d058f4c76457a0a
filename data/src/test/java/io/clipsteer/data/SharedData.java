// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;

/**
 * The large test data that is not part of the project: the folder named by the environment variable
 * {@code CLIPSTEER_SHARED}, else {@code ../shared} beside the checkout. A test that needs it is
 * skipped, with the reason in its report, where it is absent.
 */
public final class SharedData {
  private SharedData() {}

  /** The file or folder {@code relative} of the shared data; skips the test when it is absent. */
  public static Path require(String relative) {
    String override = System.getenv("CLIPSTEER_SHARED");
    Path root =
        override != null
            ? Path.of(override)
            : Path.of(System.getProperty("clipsteer.root", ".")).resolveSibling("shared");
    Path wanted = root.toAbsolutePath().normalize().resolve("data").resolve(relative);
    assumeTrue(
        Files.exists(wanted), "skipped: no shared test data at " + wanted + " (CLIPSTEER_SHARED)");
    return wanted;
  }
}
