// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.cli.CliFixture.Ran;
import io.clipsteer.engine.model.TextLibrary;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Lists of words as editors write them: a byte order mark and CRLF change no answer. */
final class TextInputTest {
  private static final Path MODELS = Path.of("../engine/src/test/resources/models");
  private static final String CLIP = MODELS.resolve("hf-clip-quickgelu").toString();

  @TempDir private static Path temp;

  @BeforeAll
  static void draw() {
    CliFixture.run(
        "world", "generate", "--set", "mixed", "--count", 2, "--out", temp.resolve("images"));
  }

  private static Path write(String name, String text) throws IOException {
    return Files.writeString(temp.resolve(name), text);
  }

  private static Path marked(Path plain) throws IOException {
    String text = Files.readString(plain).replace("\n", "\r\n");
    return write("marked-" + plain.getFileName(), "\uFEFF" + text);
  }

  /** The answers, without the rate below them. */
  private static String answers(Object... words) {
    Object[] all = new Object[words.length + 5];
    System.arraycopy(words, 0, all, 5, words.length);
    all[0] = "classify";
    all[1] = "--model";
    all[2] = CLIP;
    all[3] = "--images";
    all[4] = temp.resolve("images");
    Ran ran = CliFixture.run(all);
    assertEquals(0, ran.code(), ran.err());
    List<String> lines = ran.out().lines().toList();
    return String.join("\n", lines.subList(0, 2));
  }

  @Test
  void everyListIsReadByTheSameRule() throws IOException {
    Path labels = write("labels.txt", "dog\nété\ncat\n");
    Path templates = write("templates.txt", "a photo of a {}.\n{}\n");
    String plain = answers("--classes-file", labels, "--templates", templates);
    assertEquals(
        plain, answers("--classes-file", marked(labels), "--templates", marked(templates)));
    assertFalse(plain.equals(answers("--classes-file", labels)), "the templates are used");
    assertEquals(answers("--vocabulary", labels), answers("--vocabulary", marked(labels)));
    Path library = Files.createDirectory(temp.resolve("library"));
    float[] rows = new float[2 * 20];
    rows[0] = 1;
    rows[20 + 1] = 1;
    new TextLibrary(List.of("dog", "été"), rows, 20).write(library);
    String read = answers("--library", library);
    Path words = library.resolve("words.txt");
    Files.writeString(words, "\uFEFF" + Files.readString(words).replace("\n", "\r\n"));
    assertEquals(read, answers("--library", library));
    assertTrue(read.contains("dog") && read.contains("été"), read);
  }

  @Test
  void aFileOfArgumentsWithAMarkIsNamed() throws IOException {
    Path plain = write("doctor.args", "model\ninspect\n" + CLIP + "\n");
    assertEquals(0, CliFixture.run("@" + plain).code());
    Ran ran = CliFixture.run("@" + marked(plain));
    assertEquals(2, ran.code());
    assertTrue(ran.err().contains("byte order mark"), ran.err());
    for (String other : List.of("@" + temp, "@" + temp.resolve("absent.args"))) {
      ran = CliFixture.run(other);
      assertEquals(2, ran.code(), ran.err());
      assertTrue(ran.err().contains("hold arguments"), ran.err());
    }
    // What bytes that are no text become on the way into the JVM.
    assertEquals(2, CliFixture.run("doctor", "--seed", "d\uFFFD").code());
    CliFixture.line(
            "classify --model %s --images %s --classes %s",
            CLIP, temp.resolve("images"), "\"a, b\",c")
        .refused("--classes", "quotes");
  }

  @Test
  void repeatedWordsAreReported() throws IOException {
    Path labels = write("crane.txt", "crane\ndog\ncrane\n");
    Ran ran =
        CliFixture.line(
            "classify --model %s --images %s --classes-file %s",
            CLIP, temp.resolve("images"), labels);
    assertTrue(ran.err().contains("1 word repeats (crane); both are kept"), ran.err());
    ran =
        CliFixture.line(
            "classify --model %s --images %s --vocabulary %s",
            CLIP, temp.resolve("images"), labels);
    assertTrue(ran.err().contains("1 word repeats (crane); each is used once"), ran.err());
  }
}
