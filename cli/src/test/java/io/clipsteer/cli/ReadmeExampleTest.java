// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The library example of README.md, taken out of the page, compiled and run as a user would. */
final class ReadmeExampleTest {
  private static final Path ROOT = Path.of(System.getProperty("clipsteer.root", ".."));

  @Test
  void compilesAndRuns(@TempDir Path folder) throws IOException, InterruptedException {
    String page = Files.readString(ROOT.resolve("README.md"));
    int from = page.indexOf("```java\n") + "```java\n".length();
    Path source = folder.resolve("Example.java");
    Files.writeString(source, page.substring(from, page.indexOf("```", from)));
    Path model = folder.resolve("model");
    Path images = folder.resolve("images");
    CommandsTest.run("world", "model", "--json", "--out", model).json();
    CommandsTest.run("world", "generate", "--set", "mixed", "--count", 1, "--json", "--out", images)
        .json();
    Process process =
        new ProcessBuilder(
                List.of(
                    Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                    "--enable-native-access=ALL-UNNAMED",
                    "--add-modules=jdk.incubator.vector",
                    "-Djava.awt.headless=true",
                    "-cp",
                    System.getProperty("java.class.path"),
                    source.toString(),
                    model.toString(),
                    images.resolve("000001.png").toString()))
            .redirectErrorStream(true)
            .start();
    process.getOutputStream().close();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertTrue(process.waitFor(2, TimeUnit.MINUTES), output);
    assertEquals(0, process.exitValue(), output);
    assertTrue(output.contains("blocks.1.hook_resid_post is F32[1, 65, 128]"), output);
    String before = output.lines().filter(l -> l.startsWith("before ")).findFirst().orElseThrow();
    String after = output.lines().filter(l -> l.startsWith("after ")).findFirst().orElseThrow();
    assertTrue(before.contains("a dog") && before.contains("a cat"), output);
    assertTrue(!before.substring(7).equals(after.substring(7)), output);
  }
}
