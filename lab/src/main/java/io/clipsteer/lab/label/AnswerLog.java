// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.label;

import io.clipsteer.data.Hashes;
import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import io.clipsteer.data.json.JsonFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import tools.jackson.core.JacksonException;

/**
 * An annotator's answers: one file, a line an answer, to which lines are only added. Each line
 * begins with a checksum of itself and of the line before, so that a line that was changed, lost or
 * put elsewhere shows.
 *
 * <p>An answer is stored when its line has reached the disk with its end. What a stop left of a
 * line was never confirmed; it is cut off when the next answer comes.
 */
public final class AnswerLog {
  static final String ENDING = ".jsonl";

  private static final Pattern PSEUDONYM = Pattern.compile("[A-Za-z0-9][A-Za-z0-9_-]{0,39}");
  private static final int SUM = 16;

  private final Path file;
  private final List<LabelAnswer> answers = new ArrayList<>();
  private String last = "";
  private long length;
  private boolean torn;

  private AnswerLog(Path file) {
    this.file = file;
  }

  /** Whether a text is a pseudonym: 1 to 40 letters, digits, _ and -. */
  public static boolean isPseudonym(String text) {
    return PSEUDONYM.matcher(text).matches();
  }

  private static Path file(PlanFolder folder, String pseudonym) {
    if (isPseudonym(pseudonym)) return folder.answers().resolve(pseudonym + ENDING);
    throw new InputException(
        "the pseudonym", "is none", "Use 1 to 40 letters of English, digits, _ and -");
  }

  /**
   * Reads the answers of an annotator; none where there is no file.
   *
   * @throws InputException when a line was changed
   */
  public static AnswerLog open(PlanFolder folder, String pseudonym) {
    AnswerLog log = new AnswerLog(file(folder, pseudonym));
    log.read();
    return log;
  }

  private void read() {
    if (!Files.exists(file)) return;
    try {
      byte[] bytes = Files.readAllBytes(file);
      int from = 0;
      for (int k = 0; k < bytes.length; k++) {
        if (bytes[k] != '\n') continue;
        add(new String(bytes, from, k - from, StandardCharsets.UTF_8));
        from = k + 1;
      }
      length = from;
      torn = from < bytes.length;
    } catch (IOException e) {
      throw new InputException(file, "cannot be read: " + Reasons.of(e), "Check its rights", e);
    }
  }

  private void add(String line) {
    int number = answers.size();
    if (line.length() > SUM + 1 && line.startsWith(sum(line.substring(SUM + 1)) + " ")) {
      try {
        LabelAnswer answer = JsonFile.MAPPER.readValue(line.substring(SUM + 1), LabelAnswer.class);
        if (answer.position() == number && answer.said() != null && answer.trial() != null) {
          answers.add(answer);
          last = line.substring(0, SUM);
          return;
        }
      } catch (JacksonException e) {
        // Said below.
      }
    }
    throw new InputException(
        file, "line " + (number + 1) + " is not what was written", "Take it out of the study");
  }

  private String sum(String json) {
    return Hashes.sha256((last + json).getBytes(StandardCharsets.UTF_8)).substring(0, SUM);
  }

  /** Whether the file ends within an answer, which was never confirmed and is not counted. */
  boolean isTorn() {
    return torn;
  }

  /** All answers, in their order. */
  public List<LabelAnswer> answers() {
    return List.copyOf(answers);
  }

  /** Stores an answer; it is on the disk when this returns. */
  void store(LabelAnswer answer) {
    if (answer.position() != answers.size()) throw new IllegalArgumentException("not the next");
    String json = JsonFile.line(answer);
    String sum = sum(json);
    byte[] line = (sum + " " + json + "\n").getBytes(StandardCharsets.UTF_8);
    try {
      Files.createDirectories(file.toAbsolutePath().getParent());
      try (FileChannel channel =
          FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
        if (channel.size() < length) {
          throw new InputException(file, "was changed meanwhile", "Start the server again");
        }
        channel.truncate(length);
        channel.position(length);
        ByteBuffer buffer = ByteBuffer.wrap(line);
        while (buffer.hasRemaining()) channel.write(buffer);
        channel.force(true);
      }
    } catch (IOException e) {
      throw new InputException(
          file, "cannot be written: " + Reasons.of(e), "Check the disk and its rights", e);
    }
    answers.add(answer);
    last = sum;
    length += line.length;
  }

  /** Deletes an annotator's answers; whether there were any. */
  public static boolean delete(PlanFolder folder, String pseudonym) {
    Path file = file(folder, pseudonym);
    try {
      return Files.deleteIfExists(file);
    } catch (IOException e) {
      throw new InputException(file, "cannot be deleted: " + Reasons.of(e), "Check its rights", e);
    }
  }
}
