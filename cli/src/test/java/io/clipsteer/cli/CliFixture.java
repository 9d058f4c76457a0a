// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import tools.jackson.core.JsonParser;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Commands as a user types them, and what they are tried on. */
public final class CliFixture {
  public static final Path MODELS = Path.of("../engine/src/test/resources/models");

  /** A tiny CLIP with both towers, and one without text tower. */
  public static final String CLIP = MODELS.resolve("hf-clip-quickgelu").toString();

  public static final String BLIND = MODELS.resolve("hf-clip-vision-only").toString();

  /** Reads exactly one value: anything after it is an error. */
  static final JsonMapper STRICT =
      JsonMapper.builder().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS).build();

  private CliFixture() {}

  /** What a command printed. */
  public record Ran(int code, String out, String err) {
    public JsonNode json() {
      assertEquals(0, code, err);
      try (JsonParser parser = STRICT.createParser(out)) {
        JsonNode node = STRICT.readTree(out);
        assertTrue(node.isObject(), out);
        return node;
      }
    }

    /** Failed with one line that names what is wrong. */
    public void refused(String... parts) {
      // An option's value is wrong usage, and the help is named below; all else is bad input.
      // What a listing or a join reported before it is no part of the error.
      String error = err.substring(Math.max(0, err.indexOf("clipsteer: ")));
      boolean usage = error.startsWith("clipsteer: --");
      assertEquals(usage ? 2 : 1, code, out + err);
      assertEquals("", out);
      assertEquals(usage ? 2 : 1, error.lines().count(), err);
      assertTrue(error.startsWith("clipsteer: "), err);
      assertFalse(err.contains("internal error"), err);
      for (String part : parts) assertTrue(err.contains(part), err);
    }

    void wrongUsage(String part) {
      assertEquals(2, code, out + err);
      assertEquals("", out);
      assertTrue(err.contains(part), err);
      assertFalse(err.contains("at io.clipsteer"), err);
    }
  }

  /** Runs a command line; an array among the words stands for its elements. */
  public static Ran run(Object... words) {
    String[] args = flat(words).map(Object::toString).toArray(String[]::new);
    PrintStream out = System.out;
    PrintStream err = System.err;
    var outBytes = new ByteArrayOutputStream();
    var errBytes = new ByteArrayOutputStream();
    try {
      System.setOut(new PrintStream(outBytes, true, StandardCharsets.UTF_8));
      System.setErr(new PrintStream(errBytes, true, StandardCharsets.UTF_8));
      int code = Main.execute(args);
      return new Ran(
          code,
          outBytes.toString(StandardCharsets.UTF_8),
          errBytes.toString(StandardCharsets.UTF_8));
    } finally {
      System.setOut(out);
      System.setErr(err);
    }
  }

  /**
   * Runs a command line.
   *
   * @param text of {@link #words}
   */
  public static Ran line(String text, Object... values) {
    return run(words(text, values));
  }

  /**
   * The words of a command line, separated by blanks.
   *
   * @param values for each {@code %s}, whatever they contain
   */
  static Object[] words(String text, Object... values) {
    Iterator<Object> rest = List.of(values).iterator();
    Object[] words =
        Stream.of(text.split(" "))
            .map(word -> word.contains("%s") ? word.replace("%s", rest.next().toString()) : word)
            .toArray();
    assertFalse(rest.hasNext(), text);
    return words;
  }

  private static Stream<Object> flat(Object... words) {
    return Stream.of(words)
        .flatMap(word -> word instanceof Object[] some ? flat(some) : Stream.of(word));
  }

  /**
   * Trains small TopK SAEs on images.
   *
   * @param more further options
   */
  static JsonNode train(Path out, Object model, Path images, Object... more) {
    Object[] small = {"--sae", "topk:k=4", "--train-tokens", 1280, "--batch", 64, "--json"};
    return run("train", "--model", model, "--images", images, "--out", out, small, more).json();
  }

  static void keys(JsonNode json, String... names) {
    for (String name : names) assertTrue(json.has(name), name + " is not in " + json);
  }

  /**
   * Draws an image of one colour and noise.
   *
   * @param noise bits in which pixels differ from the colour
   */
  static void writeImage(Path file, Random random, int colour, int noise) throws IOException {
    Files.createDirectories(file.resolveSibling(""));
    BufferedImage image = new BufferedImage(36, 33, BufferedImage.TYPE_INT_RGB);
    for (int y = 0; y < 33; y++) {
      for (int x = 0; x < 36; x++) image.setRGB(x, y, colour ^ random.nextInt(noise));
    }
    ImageIO.write(image, "png", file.toFile());
  }
}
