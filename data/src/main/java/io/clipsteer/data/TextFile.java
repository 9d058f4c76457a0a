// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data;

import java.io.BufferedReader;
import java.io.FilterReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PushbackInputStream;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Text that a user wrote: UTF-8 whatever the system's locale is, lines ended by LF or CRLF. Byte
 * order marks are no part of it, wherever they stand: files that begin with one are joined. Every
 * reader of lists, tables and captions opens its file here.
 */
public final class TextFile {
  private static final int[] UTF8_MARK = {0xEF, 0xBB, 0xBF};
  private static final char MARK = '\uFEFF';

  /** A list that is held in memory whole. */
  private static final long MOST_BYTES = 1L << 30;

  private TextFile() {}

  /**
   * The text without byte order marks. Bytes that are not UTF-8 arrive as U+FFFD, which {@link
   * #isBroken} finds, so that a message can name the line.
   *
   * @throws InputException when there is no such file, it is a folder, is not readable, or is
   *     UTF-16
   */
  public static BufferedReader reader(Path file) {
    if (!Files.exists(file)) throw absent(file);
    if (Files.isDirectory(file)) {
      throw new InputException(file, "is a folder, not a text file", "Name a file");
    }
    try {
      InputStream in = checked(file, Files.newInputStream(file));
      var text = new InputStreamReader(in, StandardCharsets.UTF_8);
      return new BufferedReader(new Unmarked(text), 1 << 16);
    } catch (IOException e) {
      throw unreadable(file, e);
    }
  }

  /**
   * Every line, stripped; empty lines are skipped.
   *
   * @throws InputException as {@link #reader}; when a line is not UTF-8; when there is no line;
   *     when the file is larger than 1 GiB
   */
  public static List<String> lines(Path file) {
    List<String> lines = new ArrayList<>();
    try (BufferedReader reader = reader(file)) {
      if (Files.size(file) > MOST_BYTES) {
        throw new InputException(file, "is larger than 1 GiB", "Give fewer lines");
      }
      int number = 0;
      for (String line = reader.readLine(); line != null; line = reader.readLine()) {
        number++;
        if (isBroken(line)) {
          throw new InputException(
              file + ", line " + number, "it is not UTF-8 text", "Save the file as UTF-8");
        }
        String text = strip(line);
        if (!text.isEmpty()) lines.add(text);
      }
    } catch (IOException e) {
      throw unreadable(file, e);
    }
    if (lines.isEmpty()) {
      throw new InputException(file, "has no line of text", "Write one entry a line");
    }
    return lines;
  }

  /** Whether a text holds the character that stands for bytes that are not UTF-8, or NUL. */
  public static boolean isBroken(String text) {
    return text.indexOf('\uFFFD') >= 0 || text.indexOf('\0') >= 0;
  }

  /**
   * A text without the blanks around it, also those of spreadsheets and pages: no-break spaces and
   * spaces of no width.
   */
  public static String strip(String text) {
    int from = 0;
    int to = text.length();
    while (from < to && isBlank(text.charAt(from))) from++;
    while (from < to && isBlank(text.charAt(to - 1))) to--;
    return text.substring(from, to);
  }

  private static boolean isBlank(char c) {
    return Character.isWhitespace(c) || Character.isSpaceChar(c) || c == '\u200B';
  }

  /** Drops byte order marks. */
  private static final class Unmarked extends FilterReader {
    Unmarked(Reader in) {
      super(in);
    }

    @Override
    public int read() throws IOException {
      int c = super.read();
      while (c == MARK) c = super.read();
      return c;
    }

    @Override
    public int read(char[] buffer, int from, int most) throws IOException {
      int n = super.read(buffer, from, most);
      int kept = 0;
      for (int i = 0; i < n; i++) {
        if (buffer[from + i] != MARK) buffer[from + kept++] = buffer[from + i];
      }
      // Nothing but marks is no end.
      if (n <= 0) return n;
      return kept > 0 ? kept : read(buffer, from, most);
    }
  }

  /** Whether the file exists and starts with a byte order mark. */
  public static boolean hasMark(Path file) {
    try (InputStream in = Files.newInputStream(file)) {
      return isMark(in.readNBytes(UTF8_MARK.length));
    } catch (IOException e) {
      return false;
    }
  }

  /** A text file that could not be read to its end. */
  public static InputException unreadable(Path file, IOException e) {
    return new InputException(file, "cannot be read: " + Reasons.of(e), "Check the file", e);
  }

  private static InputException absent(Path file) {
    return new InputException(file, "there is no such file", "Check the path");
  }

  private static InputStream checked(Path file, InputStream plain) throws IOException {
    try {
      var in = new PushbackInputStream(plain, UTF8_MARK.length);
      byte[] first = in.readNBytes(UTF8_MARK.length);
      boolean utf16 = first.length >= 2 && (first[0] & 0xFF) + (first[1] & 0xFF) == 0xFF + 0xFE;
      if (utf16) throw new InputException(file, "it is UTF-16 text", "Save the file as UTF-8");
      in.unread(first);
      return in;
    } catch (IOException | RuntimeException e) {
      plain.close();
      throw e;
    }
  }

  private static boolean isMark(byte[] first) {
    if (first.length < UTF8_MARK.length) return false;
    for (int i = 0; i < UTF8_MARK.length; i++) {
      if ((first[i] & 0xFF) != UTF8_MARK[i]) return false;
    }
    return true;
  }
}
