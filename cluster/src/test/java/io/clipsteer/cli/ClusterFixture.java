// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import javax.imageio.ImageIO;

/** Images and commands of the cluster's tests. */
final class ClusterFixture {
  static final Path CLIP =
      Path.of("../engine/src/test/resources/models/hf-clip-quickgelu").toAbsolutePath().normalize();

  /** Two executors, each a JVM of its own with one processor. */
  static final String EXECUTORS = "local-cluster[2,1,1024]";

  /** What a command printed. */
  record Ran(int code, String out, String err) {}

  private ClusterFixture() {}

  static Ran run(List<String> words) {
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

  /** Names of all files but the manifest, which has times. */
  static List<String> files(Path folder) throws IOException {
    try (Stream<Path> files = Files.walk(folder)) {
      return files
          .filter(Files::isRegularFile)
          .map(file -> folder.relativize(file).toString())
          .filter(name -> !name.equals("manifest.json"))
          .sorted()
          .toList();
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
