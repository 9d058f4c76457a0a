// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.explorer;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import io.clipsteer.data.json.JsonFile;
import io.clipsteer.data.table.CsvText;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;

/**
 * What users noted about features: one file in the run, a JSON object a line, to which lines are
 * only added. A later line about a feature counts instead of the earlier ones.
 *
 * @param file {@code notes.jsonl}
 */
record Notes(Path file) {
  private static final int LONGEST = 2000;
  private static final int MOST_TAGS = 20;
  private static final int LONGEST_TAG = 60;
  private static final long MOST_BYTES = 64 << 20;

  /**
   * A note.
   *
   * @param time in UTC, ISO 8601
   * @param sae folder of the feature's SAE
   * @param note text; empty for none
   * @param tags the lists that the feature is on
   */
  record Note(String time, String sae, int id, String note, List<String> tags) {}

  /** All lines, the oldest first; a torn last line is not one. */
  synchronized List<Note> all() {
    List<Note> all = new ArrayList<>();
    if (!Files.isRegularFile(file)) return all;
    try {
      for (String line : Files.readAllLines(file)) {
        try {
          all.add(JsonFile.MAPPER.readValue(line, Note.class));
        } catch (JacksonException e) {
          // Of a stop while it was written.
        }
      }
      return all;
    } catch (IOException e) {
      throw new InputException(file, "cannot be read: " + Reasons.of(e), "Check its rights", e);
    }
  }

  /** Adds a note. */
  synchronized Note add(String sae, int id, @Nullable String text, @Nullable List<String> tags) {
    String note = text == null ? "" : text.strip();
    List<String> own = tags == null ? List.of() : tags;
    boolean fits =
        note.length() <= LONGEST
            && own.size() <= MOST_TAGS
            && own.stream().allMatch(tag -> tag != null && tag.length() <= LONGEST_TAG);
    if (!fits) throw new InputException("the note", "is too long", "Shorten it, or its tags");
    var line = new Note(Instant.now().toString(), sae, id, note, List.copyOf(own));
    try {
      if (Files.exists(file) && Files.size(file) > MOST_BYTES) {
        throw new InputException(file, "is full", "Move it elsewhere");
      }
      Files.writeString(
          file,
          JsonFile.line(line) + "\n",
          StandardCharsets.UTF_8,
          StandardOpenOption.CREATE,
          StandardOpenOption.APPEND);
      return line;
    } catch (IOException e) {
      throw new InputException(
          file, "cannot be written: " + Reasons.of(e), "Check the disk and its rights", e);
    }
  }

  /** All lines as a table. */
  String csv() {
    CsvText text = new CsvText("time", "sae", "id", "note", "tags");
    for (Note one : all()) {
      text.row(one.time, one.sae, one.id, one.note, String.join("; ", one.tags));
    }
    return text.toString();
  }
}
