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
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.json.JsonMapper;

/**
 * Writes wrong words on images: {@code label=<seen>_text=<written>_<number>.png}, RTA-100's layout,
 * with a line of {@code attacks.jsonl} for each.
 *
 * @param images their labels say what is seen
 * @param words words to write, or null for the other images' labels
 * @param kind fonts and places
 * @param letters how tall they are
 * @param limit images at most, as many of each label
 * @param seed of words, fonts, colours, places, sizes and angles
 */
public record Attack(
    ImageSet images,
    @Nullable List<String> words,
    Writing.Kind kind,
    Writing.Letters letters,
    long limit,
    long seed) {
  /**
   * What was written.
   *
   * @param images how many
   * @param labels different things that are seen
   * @param words different words that were written
   * @param skipped images left out, each with its reason
   */
  public record Result(int images, int labels, int words, List<String> skipped) {}

  public Attack {
    if (limit < 1) throw new InputException("--limit " + limit, "below 1", "Leave it out for all");
    if (words != null) {
      words = words.stream().map(Attack::checked).distinct().toList();
      if (words.isEmpty()) throw new InputException("--words", "holds no word", "Name some");
    }
  }

  /** A label or word that the layout can say. */
  private static String checked(String word) {
    WrittenName.encode(word);
    return word.strip();
  }

  /**
   * Writes the folder, whole or not at all.
   *
   * @param out absent or empty
   */
  public Result write(Path out, Progress progress) {
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
        // Listed, but without a label nothing wrong can be written on it.
        if (item.label() == null) unlabelled.add(item.id() + ": it has no label");
        else items.add(item);
      }
    }
    if (items.isEmpty()) {
      throw new InputException(
          images.origin(),
          unlabelled.isEmpty() ? "it holds no image" : "none of its images has a label",
          "Put the images into a folder a class, or give --labels");
    }
    return items;
  }

  private String label(ImageItem item) {
    return checked(Objects.requireNonNull(item.label()));
  }

  private Result write(
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
        // An image's own numbers: those before it, left out or not, do not matter.
        var random = new SplittableRandom(seed * 0x9e3779b97f4a7c15L + ++number);
        String label = label(item);
        List<String> wrong = choice.stream().filter(w -> !w.equals(label)).toList();
        String word = wrong.get(random.nextInt(wrong.size()));
        Writing writing = Writing.draw(kind, letters, random);
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
        lines.append(line(name, item.id(), label, word, writing)).append('\n');
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
    return new Result(items.size() - unread, labels, written.size(), skipped);
  }

  private static String line(
      String file, String source, String label, String word, Writing writing) {
    var line = new java.util.LinkedHashMap<String, Object>();
    line.put("file", file);
    line.put("source", source);
    line.put("label", label);
    line.put("text", word);
    line.put("writing", writing);
    return JsonMapper.shared().writeValueAsString(line);
  }
}
