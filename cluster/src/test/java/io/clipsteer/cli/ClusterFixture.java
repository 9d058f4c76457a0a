// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;

/** Images and commands of the cluster's tests. */
final class ClusterFixture {
  static final Path CLIP =
      Path.of("../engine/src/test/resources/models/hf-clip-quickgelu").toAbsolutePath().normalize();

  /** Two executors, each a JVM of its own with one processor. */
  static final String EXECUTORS = "local-cluster[2,1,1024]";

  private static final Pattern SECONDS =
      Pattern.compile("(\"\\w*(?:seconds|prepared)\\w*\" : )[-+.0-9E]+");

  /** What a command printed. */
  record Ran(int code, String out, String err) {}

  private ClusterFixture() {}

  /** Runs a command line of words without blanks, then more words. */
  static Ran run(String line, String... more) {
    List<String> words = new ArrayList<>(List.of(line.split(" ")));
    words.addAll(List.of(more));
    StringWriter printed = new StringWriter();
    var told = new ByteArrayOutputStream();
    PrintStream before = System.err;
    System.setErr(new PrintStream(told, true, StandardCharsets.UTF_8));
    try {
      int code = Main.execute(new PrintWriter(printed, true), words.toArray(new String[0]));
      return new Ran(code, printed.toString(), told.toString(StandardCharsets.UTF_8));
    } finally {
      System.setErr(before);
    }
  }

  /** Runs a command line that must succeed. */
  static Ran fine(String line, String... more) {
    Ran ran = run(line, more);
    assertEquals(0, ran.code, ran.err);
    return ran;
  }

  /** Runs a command line that must succeed on a cluster, in so many partitions. */
  static Ran onCluster(String line, String master, int partitions) {
    String conf = "spark.default.parallelism=" + partitions;
    return fine(line, "--master", master, "--cluster-conf", conf);
  }

  /** Class folders of random images, of which one in twenty is none. */
  static void images(Path folder, List<String> classes, int each) throws IOException {
    Random random = new Random(4);
    for (String name : classes) {
      Files.createDirectories(folder.resolve(name));
      for (int i = 0; i < each; i++) {
        Path file = folder.resolve(name).resolve("p%02d.png".formatted(i));
        if (i % 20 == 7) Files.writeString(file, "no image");
        else image(file, random);
      }
    }
  }

  /**
   * Two folders have the same files, byte by byte but for the manifest and, in JSON, for measured
   * seconds, the folder's own path and the source of a store's images.
   *
   * @return how many files
   */
  static int assertSame(Path whole, Path other) throws IOException {
    Map<String, String> expected = contents(whole);
    Map<String, String> actual = contents(other);
    assertEquals(expected.keySet(), actual.keySet());
    expected.forEach((name, text) -> assertEquals(text, actual.get(name), name));
    return expected.size();
  }

  private static Map<String, String> contents(Path folder) throws IOException {
    Map<String, String> texts = new TreeMap<>();
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        String name = folder.relativize(file).toString();
        if (name.equals("manifest.json") || name.equals(".lock")) continue;
        String text = Files.readString(file, StandardCharsets.ISO_8859_1);
        if (name.endsWith(".json")) {
          text = SECONDS.matcher(text).replaceAll("$1…").replace(folder.toString(), "OUT");
          text = text.replace("viewfs://test/local", "");
          text = text.replaceFirst("\"images\" : \".*", "");
        }
        texts.put(name, text);
      }
    }
    return texts;
  }

  /** Kills one executor as soon as a file is there. */
  static Thread killer(Path file) {
    return Thread.ofPlatform()
        .start(
            () -> {
              try {
                while (!Files.exists(file)) Thread.sleep(5);
              } catch (InterruptedException e) {
                throw new IllegalStateException(e);
              }
              executors().findFirst().ifPresent(ProcessHandle::destroyForcibly);
            });
  }

  /** The executors' processes. */
  static Stream<ProcessHandle> executors() {
    return ProcessHandle.current()
        .descendants()
        .filter(one -> one.info().commandLine().orElse("").contains("CoarseGrainedExecutor"));
  }

  /** As after a driver was killed at once: the manifest of a folder, without an end. */
  static void stopped(Path finished, Path folder) throws IOException {
    Files.createDirectories(folder);
    String manifest = Files.readString(finished.resolve("manifest.json"));
    Files.writeString(
        folder.resolve("manifest.json"),
        manifest.replaceFirst("\"ended\" : \"[^\"]*\"", "\"ended\" : null"));
  }

  /** Makes one in twelve of a folder's images none. */
  static void spoil(Path folder) throws IOException {
    try (Stream<Path> files = Files.walk(folder)) {
      List<Path> images = files.filter(f -> f.toString().endsWith(".png")).sorted().toList();
      for (int i = 5; i < images.size(); i += 12) Files.writeString(images.get(i), "no image");
    }
  }

  /** Names of the files below a folder, sorted, relative to it. */
  static List<String> files(Path folder) throws IOException {
    try (Stream<Path> files = Files.walk(folder)) {
      return files
          .filter(Files::isRegularFile)
          .map(file -> folder.relativize(file).toString())
          .sorted()
          .toList();
    }
  }

  /** Files below a folder as a tar, in the reverse of their names' order. */
  static void tar(Path folder, List<String> names, Path archive) throws IOException {
    try (var out = new TarArchiveOutputStream(Files.newOutputStream(archive))) {
      for (String name : names.reversed()) {
        out.putArchiveEntry(new TarArchiveEntry(folder.resolve(name), name));
        Files.copy(folder.resolve(name), out);
        out.closeArchiveEntry();
      }
    }
  }

  static void image(Path file, Random random) throws IOException {
    BufferedImage image = new BufferedImage(40, 33, BufferedImage.TYPE_INT_RGB);
    for (int y = 0; y < 33; y++) {
      for (int x = 0; x < 40; x++) image.setRGB(x, y, random.nextInt(0x1000000));
    }
    ImageIO.write(image, "png", file.toFile());
  }
}
