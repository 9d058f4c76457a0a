// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import io.clipsteer.data.Hashes;
import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.json.JsonFile;
import io.clipsteer.lab.study.LabelledImages;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;

/**
 * How far a pass has come, on disk, so that one that was stopped goes on.
 *
 * @param asked fingerprint of what is asked of which images
 * @param groups of the images answered so far
 * @param before bits of those answered right without an edit, as of {@link java.util.BitSet}
 * @param after the same with each of the candidates
 * @param next of each part, the place of the image to go on with
 * @param skipped images left out so far
 */
record PassNotes(
    String asked,
    List<Integer> groups,
    byte[] before,
    List<byte[]> after,
    List<Long> next,
    List<ImageLoader.Skipped> skipped) {

  /** What a pass must have in common with another to go on with its notes. */
  static String fingerprint(List<LabelledImages> parts, List<Candidate> candidates) {
    StringBuilder text = new StringBuilder();
    for (LabelledImages cases : parts) {
      text.append(cases.images().listing().sha256())
          .append(' ')
          .append(Arrays.hashCode(cases.truth()))
          .append(' ')
          .append(Arrays.hashCode(cases.group()))
          .append(' ')
          .append(cases.library().words())
          .append(Arrays.hashCode(cases.library().embeddings()))
          .append('\n');
    }
    for (Candidate one : candidates) {
      text.append(one.family())
          .append(' ')
          .append(one.place())
          .append(' ')
          .append(one.sae())
          .append(' ')
          .append(one.edit().described())
          .append('\n');
    }
    return Hashes.sha256(text.toString().getBytes(StandardCharsets.UTF_8));
  }

  /**
   * What a file says, or null where there is none, or of another pass.
   *
   * @param parts of the pass
   * @param candidates of the pass
   */
  static @Nullable PassNotes read(Path file, String asked, int parts, int candidates) {
    if (!Files.exists(file)) return null;
    String remedy = "Delete it, and what it notes is asked again";
    PassNotes notes;
    try {
      notes = JsonFile.MAPPER.readValue(Files.readAllBytes(file), PassNotes.class);
    } catch (JacksonException | IOException e) {
      throw new InputException(file, "cannot be read", remedy, e);
    }
    if (notes != null && !asked.equals(notes.asked)) return null;
    boolean whole =
        notes != null
            && notes.groups != null
            && notes.before != null
            && notes.skipped != null
            && notes.after != null
            && notes.after.size() == candidates
            && notes.next != null
            && notes.next.size() == parts;
    if (!whole) throw new InputException(file, "is not a pass's notes", remedy);
    return notes;
  }

  void write(Path file) {
    AtomicFiles.writeJson(file, this);
  }
}
