// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.attack;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.folder.WorkFolder;
import io.clipsteer.data.image.ImageDecoder;
import io.clipsteer.data.image.RgbImage;
import io.clipsteer.data.imageset.ImageCursor;
import io.clipsteer.data.imageset.ImageItem;
import io.clipsteer.data.imageset.ImageSet;
import io.clipsteer.data.imageset.WrittenName;
import io.clipsteer.data.json.JsonFile;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * Writes wrong words on images: {@code label=<seen>_text=<written>_<number>.png}, RTA-100's layout,
 * with a line of {@code attacks.jsonl} for each.
 *
 * @param images labelled images
 * @param words words to write, or null for the labels of the other images
 * @param kind fonts and positions
 * @param letters height of the letters
 * @param limit most images, the same number of each label
 * @param seed of words, fonts, colours, positions, sizes and angles
 */
public record Attack(
    ImageSet images,
    @Nullable List<String> words,
    Writing.FontKind kind,
    Writing.Letters letters,
    long limit,
    long seed) {
  /**
   * Counts of what was written.
   *
   * @param images attacked images
   * @param labels different labels of these
   * @param words different words that were written
   * @param skipped images that were not attacked, each with its reason
   */
  public record AttackResult(int images, int labels, int words, List<String> skipped) {}

  /** A line of {@code attacks.jsonl}. */
  private record Line(String file, String source, String label, String text, Writing writing) {}

  public Attack {
    if (limit < 1) throw new InputException("--limit " + limit, "below 1", "Omit it for all");
    if (words != null) {
      words = words.stream().map(Attack::checked).distinct().toList();
      if (words.isEmpty()) throw new InputException("--words", "holds no word", "Name some");
    }
  }

  /** A label or word that the file name can hold. */
  private static String checked(String word) {
    WrittenName.encode(word);
    return word.strip();
  }

  /**
   * Writes the folder, whole or not at all.
   *
   * @param out absent or empty
   */
  public AttackResult write(Path out, Progress progress) {
    List<String> skipped = new ArrayList<>();
    List<ImageItem> items = items(skipped);
    TreeSet<String> labels = new TreeSet<>();
    for (ImageItem item : items) labels.add(label(item));
    List<String> choice = words == null ? List.copyOf(labels) : words;
    for (String label : labels) {
      if (choice.stream().allMatch(label::equals)) {
        throw new InputException(
            images.origin(),
            "there is no word but \"" + label + "\" to write on it",
            "Give --words, or images of several classes");
      }
    }
    return WorkFolder.write(
        out, part -> write(items, choice, labels.size(), skipped, part, progress));
  }

  private List<ImageItem> items(List<String> unlabelled) {
    List<ImageItem> items = new ArrayList<>();
    try (ImageCursor cursor = images.spread(limit).cursor()) {
      for (ImageItem item = cursor.next();
          item != null && items.size() < limit;
          item = cursor.next()) {
        // Without a label no word is known to be wrong.
        if (item.label() == null) unlabelled.add(item.id() + ": it has no label");
        else items.add(item);
      }
    }
    if (items.isEmpty()) {
      throw new InputException(
          images.origin(),
          unlabelled.isEmpty() ? "it holds no image" : "none of its images has a label",
          "Put the images into one folder for each class, or give --truth");
    }
    return items;
  }

  private String label(ImageItem item) {
    return checked(Objects.requireNonNull(item.label()));
  }

  private AttackResult write(
      List<ImageItem> items,
      List<String> choice,
      int labels,
      List<String> skipped,
      Path folder,
      Progress progress)
      throws IOException {
    StringBuilder lines = new StringBuilder();
    int unread = 0;
    TreeSet<String> written = new TreeSet<>();
    int number = 0;
    try (var task = progress.start("writing words on images", items.size(), "images")) {
      for (ImageItem item : items) {
        // Random numbers of the image's own: skipped images before it change nothing.
        var random = new SplittableRandom(seed * 0x9e3779b97f4a7c15L + ++number);
        String label = label(item);
        List<String> wrong = choice.stream().filter(w -> !w.equals(label)).toList();
        String word = wrong.get(random.nextInt(wrong.size()));
        Writing writing = Writing.sample(kind, letters, random);
        RgbImage image;
        try {
          image = ImageDecoder.decode(item.bytes(), item.id());
        } catch (InputException e) {
          skipped.add(String.valueOf(e.getMessage()));
          unread++;
          continue;
        }
        String name =
            String.format(
                Locale.ROOT,
                "label=%s_text=%s_%06d.png",
                WrittenName.encode(label),
                WrittenName.encode(word),
                number);
        writing.on(image, word).writePng(folder.resolve(name));
        written.add(word);
        var line = new Line(name, item.id(), label, word, writing);
        lines.append(JsonFile.line(line)).append('\n');
        task.advance(1, 0);
      }
    }
    if (unread == items.size()) {
      throw new InputException(
          images.origin(),
          "no image could be read; the first: " + skipped.get(skipped.size() - unread),
          "Check it");
    }
    AtomicFiles.writeText(folder.resolve("attacks.jsonl"), lines.toString());
    return new AttackResult(items.size() - unread, labels, written.size(), skipped);
  }
}
