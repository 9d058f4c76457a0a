// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import io.clipsteer.data.Hashes;
import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.json.JsonFile;
import io.clipsteer.lab.study.LabelledImages;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The blocks of one trial on disk, a file each, written by any process. A block counts where its
 * checksum is right and it is of the same images and candidates; else it is evaluated again.
 *
 * @param fingerprint of the images and the candidates
 * @param candidates how many
 */
record TrialFolder(Path path, String fingerprint, int candidates) {
  /** A block as it is stored. */
  private record Stored(String fingerprint, String sha256, TrialBlock block) {}

  static TrialFolder of(Path path, List<LabelledImages> parts, List<Candidate> candidates) {
    return new TrialFolder(path, fingerprint(parts, candidates), candidates.size());
  }

  /** Equal for two trials whose blocks are the same. */
  private static String fingerprint(List<LabelledImages> parts, List<Candidate> candidates) {
    StringBuilder text = new StringBuilder();
    for (LabelledImages part : parts) {
      text.append(part.images().listing().sha256())
          .append(' ')
          .append(part.images().options().batchSize())
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

  private Path file(int number) {
    return path.resolve("%06d.json".formatted(number));
  }

  /** A block, or null where it has to be evaluated. */
  @Nullable TrialBlock read(int number) {
    Path file = file(number);
    if (!Files.isRegularFile(file)) return null;
    try {
      Stored stored = JsonFile.read(file, Stored.class, "");
      boolean whole =
          fingerprint.equals(stored.fingerprint)
              && stored.block.after().size() == candidates
              && stored.block.sha256().equals(stored.sha256);
      return whole ? stored.block : null;
    } catch (InputException e) {
      return null; // Damaged: it is evaluated again, and written over.
    }
  }

  void write(int number, TrialBlock block) {
    AtomicFiles.writeText(
        file(number), JsonFile.line(new Stored(fingerprint, block.sha256(), block)));
  }
}
