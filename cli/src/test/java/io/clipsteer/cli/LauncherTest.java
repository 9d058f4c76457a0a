// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
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
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The launcher in environments without a UTF-8 locale, as in containers and cron: names of files,
 * arguments, tables and output are what they are under UTF-8.
 */
final class LauncherTest {
  private static final Path ROOT = Path.of(System.getProperty("clipsteer.root", ".."));
  private static final Path CLIP =
      Path.of("../engine/src/test/resources/models/hf-clip-quickgelu").toAbsolutePath().normalize();

  private static final Map<String, String> UTF8 = Map.of("LC_ALL", "C.UTF-8");
  private static final List<Map<String, String>> OTHERS =
      List.of(Map.of(), Map.of("LC_ALL", "C"), Map.of("LC_CTYPE", "POSIX", "LANG", "de_DE.UTF-8"));

  @TempDir private static Path temp;

  /** The launcher in a folder that looks built; its Java runs these classes. */
  @BeforeAll
  static void install() throws IOException {
    Path dist = Files.createDirectories(temp.resolve("home/cli/target/dist"));
    Files.createDirectories(temp.resolve("home/cli/src/main"));
    Path settings = Path.of("cli/src/launcher/settings.sh");
    Files.createDirectories(temp.resolve("home").resolve(settings).getParent());
    Files.copy(ROOT.resolve(settings), temp.resolve("home").resolve(settings));
    Files.copy(ROOT.resolve("clipsteer"), temp.resolve("home/clipsteer"));
    Files.createFile(temp.resolve("home/pom.xml"));
    Files.createFile(temp.resolve("home/cli/pom.xml"));
    Files.createFile(dist.resolve(".built"));
    Path java = Files.createDirectories(temp.resolve("bin")).resolve("java");
    Files.writeString(
        java,
        """
        #!/usr/bin/env bash
        if [[ "$*" == *-version* ]]; then exec "REAL" "$@"; fi
        options=()
        while [ "$1" != io.clipsteer.cli.Main ]; do
          if [ "$1" = -cp ]; then shift; else options+=("$1"); fi
          shift
        done
        exec "REAL" "${options[@]}" -cp "PATH" "$@"
        """
            .replace("REAL", Path.of(System.getProperty("java.home"), "bin", "java").toString())
            .replace("PATH", System.getProperty("java.class.path")));
    Files.setPosixFilePermissions(java, PosixFilePermissions.fromString("rwxr-xr-x"));
  }

  private record Ran(int code, String out, String err) {}

  private static Ran run(Map<String, String> environment, String... args)
      throws IOException, InterruptedException {
    List<String> command = new ArrayList<>(List.of("bash", temp.resolve("home/clipsteer") + ""));
    command.addAll(List.of(args));
    Path out = temp.resolve("out");
    Path err = temp.resolve("err");
    var builder =
        new ProcessBuilder(command)
            .directory(temp.toFile())
            .redirectOutput(out.toFile())
            .redirectError(err.toFile());
    builder.environment().clear();
    // No HOME, as in cron: Java is found on the PATH.
    builder.environment().put("PATH", temp.resolve("bin") + ":" + System.getenv("PATH"));
    builder.environment().put("CLIPSTEER_JVM_OPTIONS", "-Xmx1g");
    builder.environment().putAll(environment);
    Process process = builder.start();
    process.getOutputStream().close();
    assertTrue(process.waitFor(2, TimeUnit.MINUTES), "the launcher does not end");
    return new Ran(process.exitValue(), text(out), text(err));
  }

  /** The output without its one figure that differs from run to run. */
  private static String text(Path file) throws IOException {
    String text = new String(Files.readAllBytes(file), StandardCharsets.UTF_8);
    return text.replaceAll("[0-9.]+ images/s", "?").replaceAll("seconds\" : [0-9.]+", "?");
  }

  /**
   * Arguments, file names below a folder, names in a table, JSON and text are the same bytes.
   *
   * <p>The test's own JVM may run without UTF-8: a shell makes the files.
   */
  @Test
  @Tag("slow")
  void sameInEveryLocale() throws IOException, InterruptedException {
    CliFixture.run(
        "world", "generate", "--set", "mixed", "--count", 2, "--out", temp.resolve("world"));
    Path script = temp.resolve("files.sh");
    Files.writeString(
        script,
        """
        set -eu; mkdir -p été/chien; set -- world/*.png; cp $1 'été/chien/ça va.png'; cp $2 été/日本.png
        printf 'file,label\\n日本.png,naïve\\nchien/ça va.png,été\\n' > été/t.csv
        """);
    Process made = new ProcessBuilder("bash", script + "").directory(temp.toFile()).start();
    assertEquals(0, made.waitFor());
    List<String[]> commands =
        List.of(
            new String[] {
              "classify", "--model", CLIP + "", "--images", "été", "--classes", "chien,été"
            },
            new String[] {
              "classify", "--model", CLIP + "", "--images", "été/t.csv", "--classes", "naïve,été"
            },
            new String[] {"doctor", "--threads", "trois×"},
            new String[] {
              "world",
              "generate",
              "--set",
              "mixed",
              "--count",
              "1",
              "--json",
              "--out",
              "naïveté/dessins"
            });
    List<Integer> codes = List.of(0, 0, 2, 0);
    List<String> parts = List.of("chien/ça va.png", "日本.png", "trois×", "naïveté/dessins");
    for (int i = 0; i < commands.size(); i++) {
      Ran expected = run(UTF8, commands.get(i));
      removeDrawn();
      assertEquals(codes.get(i), expected.code(), expected.err());
      String shown = expected.out() + expected.err();
      assertTrue(shown.contains(parts.get(i)), shown);
      for (Map<String, String> environment : OTHERS) {
        Ran other = run(environment, commands.get(i));
        removeDrawn();
        assertEquals(expected.code(), other.code(), other.err());
        assertEquals(expected.out(), other.out());
        assertEquals(expected.err(), other.err());
      }
    }
  }

  /** The JVM warns of its incubator module on stderr; what else it or the program says stays. */
  @Test
  void onlyTheIncubatorWarningIsFiltered() throws IOException, InterruptedException {
    Ran ran = run(UTF8, "store", "verify", "gone");
    assertEquals(1, ran.code());
    assertTrue(ran.err().startsWith("clipsteer: gone"), ran.err());
    assertEquals(1, ran.err().lines().count(), ran.err());
    ran = run(Map.of("LC_ALL", "C.UTF-8", "CLIPSTEER_JVM_OPTIONS", "-XX:NoSuchOption"), "doctor");
    assertTrue(ran.code() != 0, ran.out());
    // What a JVM says that does not start goes through the filter, which may end after it.
    String err = ran.err();
    for (int wait = 0; wait < 100 && !err.contains("NoSuchOption"); wait++) {
      Thread.sleep(50);
      err = text(temp.resolve("err"));
    }
    assertTrue(err.contains("NoSuchOption"), err);
  }

  private static void removeDrawn() throws IOException, InterruptedException {
    Process process =
        new ProcessBuilder("bash", "-c", "rm -rf na*").directory(temp.toFile()).start();
    assertEquals(0, process.waitFor());
  }

  /** Without the launcher nothing can be done about names, so the program says it. */
  @Test
  void saysWhenNamesAreLost() throws IOException, InterruptedException {
    Path err = temp.resolve("plain");
    var builder =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path"),
                "io.clipsteer.cli.Main",
                "--version")
            .redirectError(err.toFile());
    builder.environment().put("LC_ALL", "C");
    Process process = builder.start();
    process.getInputStream().readAllBytes();
    assertTrue(process.waitFor(1, TimeUnit.MINUTES));
    String text = text(err);
    assertTrue(text.contains("LC_ALL=C.UTF-8") && text.contains("ANSI_X3.4-1968"), text);
  }
}
