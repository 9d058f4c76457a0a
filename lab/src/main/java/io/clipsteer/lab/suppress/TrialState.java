// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import io.clipsteer.data.Hashes;
import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.json.JsonFile;
import io.clipsteer.lab.study.LabelledImages;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The saved progress of an {@link EditTrial}, from which a stopped one resumes.
 *
 * @param fingerprint of the images and the candidates
 * @param groups of the images evaluated so far
 * @param before bits of the images answered right without an edit, as of {@link java.util.BitSet}
 * @param after the same with each of the candidates
 * @param next of each part, the position of the next image
 * @param skipped images skipped so far
 */
record TrialState(
    String fingerprint,
    List<Integer> groups,
    byte[] before,
    List<byte[]> after,
    List<Long> next,
    List<ImageLoader.Skipped> skipped) {

  /** Equal for two trials of which one may resume the other. */
  static String fingerprint(List<LabelledImages> parts, List<Candidate> candidates) {
    StringBuilder text = new StringBuilder();
    for (LabelledImages part : parts) {
      text.append(part.images().listing().sha256())
          .append(' ')
          .append(Arrays.hashCode(part.truth()))
          .append(' ')
          .append(Arrays.hashCode(part.group()))
          .append(' ')
          .append(part.head().hashCode())
          .append('\n');
    }
    for (Candidate one : candidates) {
      text.append(one.family())
          .append(' ')
          .append(one.site())
          .append(' ')
          .append(one.sae())
          .append(' ')
          .append(one.edit().described())
          .append('\n');
    }
    return Hashes.sha256(text.toString().getBytes(StandardCharsets.UTF_8));
  }

  /**
   * Reads a file; null where there is none, or one of another trial.
   *
   * @param parts number of parts of the trial
   * @param candidates number of candidates of the trial
   */
  static @Nullable TrialState read(Path file, String fingerprint, int parts, int candidates) {
    if (!Files.exists(file)) return null;
    String remedy = "Delete it, and its images are evaluated again";
    TrialState state = JsonFile.read(file, TrialState.class, remedy);
    if (!fingerprint.equals(state.fingerprint)) return null;
    boolean whole =
        state.groups != null
            && state.before != null
            && state.skipped != null
            && state.after != null
            && state.after.size() == candidates
            && state.next != null
            && state.next.size() == parts;
    if (!whole) throw new InputException(file, "is not the saved progress of a trial", remedy);
    return state;
  }

  void write(Path file) {
    AtomicFiles.writeJson(file, this);
  }
}
