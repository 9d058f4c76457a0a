// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.attack;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import io.clipsteer.data.folder.WorkFolder;
import io.clipsteer.lab.index.ParquetTables;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * SCAM (arXiv 2504.04893) as its authors publish it: Parquet with {@code type} (SCAM, SynthSCAM,
 * NoSCAM), {@code object_label}, {@code attack_word} and {@code image.bytes}. Unpacked, {@code
 * suppress} reads it.
 */
public final class ScamFile {
  private static final Map<String, String> FOLDERS =
      Map.of("SCAM", "handwritten", "SynthSCAM", "synthetic", "NoSCAM", "clean");

  private ScamFile() {}

  /**
   * Unpacks into {@code handwritten} and {@code synthetic} ({@code label=…_text=…} files) and
   * {@code clean} (class folders), with the bytes of the set unchanged.
   *
   * @param files Parquet files, in order
   * @param out absent or empty; appears whole or not at all
   * @return number of images in each folder
   */
  public static Map<String, Integer> unpack(List<Path> files, Path out) {
    return WorkFolder.write(out, folder -> fill(files, folder));
  }

  private static Map<String, Integer> fill(List<Path> files, Path folder) {
    Map<String, Integer> counts = new LinkedHashMap<>();
    for (Path file : files) {
      if (!Files.isRegularFile(file)) {
        throw new InputException(file, "there is no such file", "Name SCAM's .parquet");
      }
      ParquetTables.read(
          file,
          "SCAM",
          List.of("\"type\"", "object_label", "attack_word", "image.bytes"),
          row -> save(row, file, folder, counts));
    }
    return counts;
  }

  private static void save(
      List<@Nullable Object> row, Path file, Path folder, Map<String, Integer> counts) {
    String type = String.valueOf(row.get(0));
    String part = FOLDERS.get(type);
    if (part == null) {
      throw new InputException(
          file, "its type '" + type + "' is unknown", "Known are SCAM, SynthSCAM and NoSCAM");
    }
    int number = counts.merge(part, 1, Integer::sum);
    String label = plain(file, row.get(1));
    if (!(row.get(3) instanceof byte[] bytes)) {
      throw new InputException(file, "an image has no bytes", "Fetch it again");
    }
    String end = String.format(Locale.ROOT, "%06d.%s", number, ending(file, bytes));
    Path target =
        part.equals("clean")
            ? folder.resolve(part).resolve(label).resolve(end)
            : folder
                .resolve(part)
                .resolve("label=" + label + "_text=" + plain(file, row.get(2)) + "_" + end);
    try {
      Files.createDirectories(target.getParent());
      Files.write(target, bytes);
    } catch (IOException e) {
      throw new InputException(
          target, "cannot be written: " + Reasons.of(e), "Check free space", e);
    }
  }

  /** A word with characters that a file name can hold. */
  private static String plain(Path file, @Nullable Object word) {
    String text = String.valueOf(word).replaceAll("[_=/\\\\\\p{Cntrl}]", " ").strip();
    if (word == null || text.isEmpty() || text.startsWith(".")) {
      throw new InputException(file, "'" + word + "' is not a word", "Fetch it again");
    }
    return text;
  }

  private static String ending(Path file, byte[] bytes) {
    if (bytes.length > 3 && bytes[1] == 'P' && bytes[2] == 'N') return "png";
    if (bytes.length > 3 && (bytes[0] & 0xFF) == 0xFF && (bytes[1] & 0xFF) == 0xD8) return "jpg";
    if (bytes.length > 12 && bytes[0] == 'R' && bytes[8] == 'W') return "webp";
    throw new InputException(file, "it holds an image of unknown kind", "Fetch it again");
  }
}
