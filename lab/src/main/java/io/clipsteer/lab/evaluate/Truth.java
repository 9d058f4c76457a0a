// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.evaluate;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.imageset.ImageBatch;
import io.clipsteer.data.imageset.ImageCursor;
import io.clipsteer.data.imageset.ImageItem;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.lab.answer.ZeroShot;
import io.clipsteer.lab.run.Images;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * The classes of images, or why they have none.
 *
 * @param library the classes' words, or null
 * @param rows row of the library by the images' label
 * @param reason one sentence where there is no library, else empty
 */
public record Truth(@Nullable TextLibrary library, Map<String, Integer> rows, String reason) {
  /**
   * The classes by the images' labels (class folders, a table's column).
   *
   * @param given vocabulary, or null for the labels themselves
   * @param templates prompts for the labels, each with {@code {}}
   * @throws InputException when a label is none of the given words
   */
  public static Truth of(
      ClipModel model,
      Images images,
      @Nullable TextLibrary given,
      List<String> templates,
      Progress progress) {
    List<String> labels = labels(images);
    if (labels.isEmpty())
      return unknown("no image has a label (a class folder, a table's column, or --truth)");
    if (given != null) return given(images, given, labels);
    if (model.text() == null) return unknown("the model has no text tower (see --library)");
    if (model.tokenizer() == null) return unknown("no tokenizer lies beside the model's weights");
    if (labels.stream().allMatch(label -> label.matches("\\d+"))) {
      return unknown("all labels are numbers; name their words with --classes-file");
    }
    if (labels.size() < 2) return unknown("all images are of one class, " + labels.getFirst());
    Map<String, Integer> rows = new HashMap<>();
    for (String label : labels) rows.put(label, rows.size());
    return new Truth(ZeroShot.library(model, labels, templates, progress), Map.copyOf(rows), "");
  }

  /** No classes. */
  static Truth unknown(String why) {
    return new Truth(null, Map.of(), "Zero-shot is skipped: " + why);
  }

  private static Truth given(Images images, TextLibrary library, List<String> labels) {
    int words = library.words().size();
    if (words < 2) return unknown("the vocabulary has one word only");
    Map<String, Integer> rows = new HashMap<>();
    for (String label : labels) {
      int row = row(library, label);
      if (row < 0) {
        throw new InputException(
            images.set().origin(),
            "its class \"" + label + "\" is none of the " + words + " words",
            "A label is a word, or its row from 0 to "
                + (words - 1)
                + ": correct it, or add the word");
      }
      rows.put(label, row);
    }
    return new Truth(library, Map.copyOf(rows), "");
  }

  /** Row of the library that a label names: by its word, else by its number; −1 for none. */
  public static int row(TextLibrary library, String label) {
    int row = library.row(label);
    return row < 0 ? number(library, label) : row;
  }

  /** Row of the library that a label names by its number, from 0; −1 for none. */
  public static int number(TextLibrary library, String label) {
    boolean number = label.matches("\\d{1,9}");
    int row = number ? Integer.parseInt(label) : -1;
    return row < library.words().size() ? row : -1;
  }

  /** The distinct labels, sorted; of the images within the limit. */
  private static List<String> labels(Images images) {
    TreeSet<String> labels = new TreeSet<>();
    long left = images.options().limit();
    try (ImageCursor cursor = images.set().cursor()) {
      for (ImageItem item = cursor.next(); item != null && left-- > 0; item = cursor.next()) {
        if (item.label() != null) labels.add(item.label());
      }
    }
    return List.copyOf(labels);
  }

  /** Row of each image's class, −1 where it has none. */
  int[] of(ImageBatch batch) {
    int[] truth = new int[batch.count()];
    for (int i = 0; i < truth.length; i++) {
      String label = batch.labels().get(i);
      truth[i] = label == null ? -1 : rows.getOrDefault(label, -1);
    }
    return truth;
  }
}
