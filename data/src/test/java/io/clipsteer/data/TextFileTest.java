// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class TextFileTest {
  @TempDir private Path folder;

  private Path file(byte[] bytes) throws IOException {
    return Files.write(folder.resolve("list.txt"), bytes);
  }

  private Path file(String text) throws IOException {
    return file(text.getBytes(StandardCharsets.UTF_8));
  }

  private static String refused(Path file) {
    return assertThrows(InputException.class, () -> TextFile.lines(file)).getMessage() + "";
  }

  @Test
  void aByteOrderMarkIsNoPartOfTheText() throws IOException {
    List<String> plain = TextFile.lines(file("chien\nété\n"));
    assertEquals(List.of("chien", "été"), plain);
    assertEquals(plain, TextFile.lines(file("\uFEFFchien\nété\n")));
    assertEquals(plain, TextFile.lines(file("\uFEFF\r\n chien \r\n\r\nété")));
    // Files that begin with a mark are joined, or saved twice.
    assertEquals(plain, TextFile.lines(file("\uFEFF\uFEFFchien\n\uFEFFété\n\uFEFF")));
  }

  @Test
  void blanksOfSpreadsheetsAndPagesAreBlanks() throws IOException {
    assertEquals(
        List.of("ice\u00A0cream"),
        TextFile.lines(file("\u00A0ice\u00A0cream\u2003\n\u00A0\n\u200B")));
  }

  @Test
  void nulIsNoText() throws IOException {
    String wide = refused(file("dog\n".getBytes(StandardCharsets.UTF_16LE)));
    assertTrue(wide.contains("not UTF-8 text"), wide);
  }

  @Test
  void shortFilesAreReadWhole() throws IOException {
    assertEquals(List.of("a"), TextFile.lines(file("a")));
    assertEquals(List.of("ab"), TextFile.lines(file("ab")));
    assertEquals(List.of("ï"), TextFile.lines(file("ï")));
    for (String blank : List.of("", "\uFEFF", " \r\n\t\n")) {
      assertTrue(refused(file(blank)).contains("no line of text"));
    }
  }

  @Test
  void otherEncodingsAreNamed() throws IOException {
    String latin = refused(file("un\n\u00E9t\u00E9\n".getBytes(StandardCharsets.ISO_8859_1)));
    assertTrue(latin.contains("line 2") && latin.contains("not UTF-8"), latin);
    for (var utf16 : List.of(StandardCharsets.UTF_16, StandardCharsets.UTF_16LE)) {
      String mark = utf16 == StandardCharsets.UTF_16LE ? "\uFEFF" : "";
      String message = refused(file((mark + "dog\ncat\n").getBytes(utf16)));
      assertTrue(message.contains("UTF-16"), message);
    }
  }

  @Test
  void whatIsNoFileIsNamed() {
    assertTrue(refused(folder.resolve("absent.txt")).contains("no such file"));
    assertTrue(refused(folder).contains("is a folder"));
  }
}
