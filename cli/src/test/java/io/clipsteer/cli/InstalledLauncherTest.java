// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The launcher of an installation, on a Java that prints how it was started. */
final class InstalledLauncherTest {
  private static final Path ROOT = Path.of(System.getProperty("clipsteer.root", ".."));

  @TempDir private Path temp;
  private Path home;

  private record Ran(int code, List<String> out, String err) {}

  @BeforeEach
  void install() throws IOException {
    home = temp.resolve("a home");
    for (String folder : List.of("bin", "lib", "natives", "runtime/bin", "share/clipsteer")) {
      Files.createDirectories(home.resolve(folder));
    }
    Files.copy(ROOT.resolve("dist/src/launcher/clipsteer"), home.resolve("bin/clipsteer"));
    Files.copy(ROOT.resolve("cli/src/launcher/settings.sh"), home.resolve("lib/settings.sh"));
    for (String jar : List.of("b.jar", "a.jar")) Files.createFile(home.resolve("lib/" + jar));
    Files.writeString(home.resolve("lib/build"), "1.0-0123\n");
    Files.createFile(home.resolve("share/clipsteer/first.png"));
    Files.writeString(home.resolve("runtime/release"), "JAVA_VERSION=\"25.0.3\"\n");
    Path java = home.resolve("runtime/bin/java");
    Files.writeString(
        java,
        """
        #!/usr/bin/env bash
        for word in "$@"; do
          case "$word" in -XX:AOTCacheOutput=*) echo kept >"${word#*=}" ;; esac
        done
        echo "ENGINE_CACHE_DIR=$ENGINE_CACHE_DIR"
        printf '%s\\n' "$@"
        """);
    Files.setPosixFilePermissions(java, PosixFilePermissions.fromString("rwxr-xr-x"));
  }

  private Ran run(Map<String, String> environment, String... args)
      throws IOException, InterruptedException {
    List<String> command = new ArrayList<>(List.of("bash", home.resolve("bin/clipsteer") + ""));
    command.addAll(List.of(args));
    Path out = temp.resolve("out");
    Path err = temp.resolve("err");
    var builder =
        new ProcessBuilder(command).redirectOutput(out.toFile()).redirectError(err.toFile());
    builder.environment().clear();
    builder.environment().putAll(Map.of("PATH", System.getenv("PATH"), "LC_ALL", "C.UTF-8"));
    builder.environment().putAll(environment);
    Process process = builder.start();
    process.getOutputStream().close();
    assertTrue(process.waitFor(1, TimeUnit.MINUTES), "the launcher does not end");
    String text = Files.readString(err, StandardCharsets.UTF_8);
    return new Ran(process.exitValue(), Files.readAllLines(out), text);
  }

  @Test
  void startsItsOwnJavaOnItsOwnFiles() throws IOException, InterruptedException {
    Ran ran = run(Map.of("CLIPSTEER_CACHE", "off", "ENGINE_CACHE_DIR", "x"), "doctor", "a b");
    assertEquals(0, ran.code(), ran.err());
    assertEquals("", ran.err());
    assertTrue(ran.out().contains("ENGINE_CACHE_DIR=" + home.resolve("natives")), ran.out() + "");
    assertTrue(ran.out().contains("-Djava.library.path=" + home.resolve("natives")));
    int jars = ran.out().indexOf("-cp") + 1;
    String both = home.resolve("lib/a.jar") + ":" + home.resolve("lib/b.jar");
    assertEquals(
        List.of(both, "io.clipsteer.cli.Main", "doctor", "a b"),
        ran.out().subList(jars, ran.out().size()));
  }

  @Test
  void keepsClassesOnceAndOnlyForCommands() throws IOException, InterruptedException {
    Map<String, String> user = Map.of("HOME", temp + "");
    Path cache = temp.resolve(".cache/clipsteer");
    assertEquals(List.of("clipsteer 1.0"), run(user, "--version").out());
    assertEquals("", run(user, "--help").err());
    assertFalse(Files.exists(cache));
    Ran first = run(user, "doctor");
    assertEquals(1, first.err().lines().count(), first.err());
    assertTrue(first.err().contains(cache + ""), first.err());
    String option = "-XX:AOTCache=" + cache.resolve("1.0-0123.aot");
    assertTrue(first.out().contains(option), first.out() + "");
    try (Stream<Path> files = Files.list(cache)) {
      assertEquals(List.of(cache.resolve("1.0-0123.aot")), files.toList());
    }
    Ran second = run(user, "doctor");
    assertEquals("", second.err());
    assertTrue(second.out().contains(option));
    assertTrue(run(user, "--help").out().contains(option));
  }

  @Test
  void aCacheThatCannotBeMadeStopsNothing() throws IOException, InterruptedException {
    Path file = Files.createFile(temp.resolve("file"));
    Ran ran = run(Map.of("CLIPSTEER_CACHE", file.resolve("below") + ""), "doctor");
    assertEquals(0, ran.code(), ran.err());
    assertEquals("", ran.err());
    assertTrue(ran.out().stream().noneMatch(word -> word.startsWith("-XX:AOTCache")));
  }

  @Test
  void clustersAreRefused() throws IOException, InterruptedException {
    Ran ran = run(Map.of(), "evaluate", "--master=local[2]");
    assertEquals(2, ran.code());
    assertTrue(ran.err().contains("Spark"), ran.err());
    assertTrue(ran.out().isEmpty());
  }
}
