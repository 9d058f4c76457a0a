// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.study;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.TextFile;
import io.clipsteer.data.imageset.GroupSource;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.lab.answer.ZeroShot;
import io.clipsteer.lab.demo.Evaluation;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * How a target is put into words.
 *
 * @param prompts a file with lines of target, tab, text; several texts of a target are averaged;
 *     null for the built-in ones
 * @param library finished embeddings instead, or null
 */
public record Wording(@Nullable Path prompts, @Nullable Path library) {
  public Wording {
    if (prompts != null && library != null) {
      throw new InputException(
          "--prompts", "has no use with --library", "A library holds finished embeddings");
    }
  }

  /**
   * The targets' embeddings, in their order.
   *
   * @param portraits whether the images are portraits, for the built-in texts
   */
  TextLibrary library(ClipModel model, List<String> targets, boolean portraits, Progress progress) {
    if (library != null) return chosen(TextLibrary.read(library), targets, model);
    if (prompts == null) {
      List<String> phrases = targets.stream().map(Wording::withArticle).toList();
      List<String> templates = portraits ? Evaluation.PORTRAIT_TEMPLATES : Evaluation.TEMPLATES;
      TextLibrary read = ZeroShot.library(model, phrases, templates, progress);
      return new TextLibrary(targets, read.embeddings(), read.width());
    }
    Map<String, List<String>> texts = texts(prompts);
    List<String> absent = targets.stream().filter(t -> !texts.containsKey(t)).toList();
    if (!absent.isEmpty()) {
      throw new InputException(
          prompts,
          "it says nothing of \"" + String.join("\", \"", absent) + "\"",
          "Add a line each: target, tab, text");
    }
    List<float[]> rows = new ArrayList<>();
    for (String target : targets) {
      List<String> own = texts.getOrDefault(target, List.of());
      rows.add(ZeroShot.library(model, List.of(target), own, Progress.SILENT).embeddings());
    }
    return joined(targets, rows);
  }

  /**
   * The built-in texts of things, split before each name.
   *
   * @throws InputException where the texts or embeddings are the user's own
   */
  public SplitTexts split(ClipModel model, List<String> targets) {
    if (library != null || prompts != null) {
      throw new InputException(
          "--defense-prefix",
          "has no use with --prompts or --library",
          "It puts a token of its own into the built-in texts");
    }
    List<String> phrases = targets.stream().map(Wording::withArticle).toList();
    return new SplitTexts(model, targets, phrases, Evaluation.TEMPLATES);
  }

  /** Whether the built-in texts suit portraits. */
  static boolean portraits(GroupSource.Layout kind) {
    return kind == GroupSource.Layout.CELEBA;
  }

  private static String withArticle(String word) {
    if (word.matches("(a|an|the) .*")) return word;
    boolean vowel = "aeiou".indexOf(Character.toLowerCase(word.charAt(0))) >= 0;
    return (vowel ? "an " : "a ") + word;
  }

  private static Map<String, List<String>> texts(Path file) {
    Map<String, List<String>> texts = new LinkedHashMap<>();
    for (String line : TextFile.lines(file)) {
      int tab = line.indexOf('\t');
      if (tab < 1 || line.substring(tab + 1).isBlank()) {
        throw new InputException(
            file, "\"" + line + "\" is no target, tab and text", "Write man<TAB>a photo of a man");
      }
      texts
          .computeIfAbsent(line.substring(0, tab).strip(), t -> new ArrayList<>())
          .add(line.substring(tab + 1).strip());
    }
    return texts;
  }

  private static TextLibrary chosen(TextLibrary all, List<String> targets, ClipModel model) {
    ZeroShot.checkFits(model, all);
    List<float[]> rows = new ArrayList<>();
    for (String target : targets) {
      int row = all.words().indexOf(target);
      if (row < 0) {
        throw new InputException(
            "--library", "it has no \"" + target + "\"", "Add it to words.txt and the embeddings");
      }
      rows.add(
          java.util.Arrays.copyOfRange(
              all.embeddings(), row * all.width(), (row + 1) * all.width()));
    }
    return joined(targets, rows);
  }

  private static TextLibrary joined(List<String> targets, List<float[]> rows) {
    int width = rows.getFirst().length;
    float[] all = new float[rows.size() * width];
    for (int i = 0; i < rows.size(); i++) System.arraycopy(rows.get(i), 0, all, i * width, width);
    return new TextLibrary(targets, all, width);
  }
}
