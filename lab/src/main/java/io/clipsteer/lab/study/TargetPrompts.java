// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.study;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.TextFile;
import io.clipsteer.data.imageset.GroupSource;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.AnswerHead;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.lab.answer.ZeroShot;
import io.clipsteer.lab.demo.Evaluation;
import io.clipsteer.lab.probe.Probe;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What answers for each target: prompts, or the classes of a probe.
 *
 * @param file lines of target, tab, prompt, or null for the built-in prompts; several prompts of a
 *     target are averaged
 * @param library folder of finished embeddings instead of prompts, or null
 * @param probe folder of a trained linear head instead of words, or null
 */
public record TargetPrompts(@Nullable Path file, @Nullable Path library, @Nullable Path probe) {
  /** The built-in prompts. */
  public static final TargetPrompts BUILT_IN = new TargetPrompts(null, null, null);

  public TargetPrompts {
    if (probe != null && (file != null || library != null)) {
      throw new InputException(
          "--probe", "cannot be combined with --prompts or --library", "A probe needs no words");
    }
    if (file != null && library != null) {
      throw new InputException(
          "--prompts", "cannot be combined with --library", "A library holds finished embeddings");
    }
  }

  /**
   * The targets as answers, in their order.
   *
   * @param portraits whether the images are portraits, for the built-in prompts
   */
  AnswerHead head(ClipModel model, List<String> targets, boolean portraits, Progress progress) {
    if (probe == null) return ZeroShot.head(model, library(model, targets, portraits, progress));
    AnswerHead all = Probe.read(probe).head(model, probe);
    int[] rows = targets.stream().mapToInt(all.words()::indexOf).toArray();
    for (int i = 0; i < rows.length; i++) {
      if (rows[i] < 0) {
        throw new InputException(
            "--probe " + probe,
            "it has no class \"" + targets.get(i) + "\"",
            "Its classes are " + all.words());
      }
    }
    return all.some(rows);
  }

  /**
   * The targets' embeddings, in their order.
   *
   * @param portraits whether the images are portraits, for the built-in prompts
   */
  private TextLibrary library(
      ClipModel model, List<String> targets, boolean portraits, Progress progress) {
    if (library != null) return chosen(TextLibrary.read(library), targets, model);
    if (file == null) {
      List<String> phrases = targets.stream().map(TargetPrompts::withArticle).toList();
      List<String> templates = portraits ? Evaluation.PORTRAIT_TEMPLATES : Evaluation.TEMPLATES;
      TextLibrary read = ZeroShot.library(model, phrases, templates, progress);
      return new TextLibrary(targets, read.embeddings(), read.width());
    }
    Map<String, List<String>> texts = texts(file);
    List<String> absent = targets.stream().filter(t -> !texts.containsKey(t)).toList();
    if (!absent.isEmpty()) {
      throw new InputException(
          file,
          "it has no prompt for \"" + String.join("\", \"", absent) + "\"",
          "Add a line for each: target, tab, prompt");
    }
    List<float[]> rows = new ArrayList<>();
    for (String target : targets) {
      List<String> own = texts.getOrDefault(target, List.of());
      rows.add(ZeroShot.library(model, List.of(target), own, Progress.SILENT).embeddings());
    }
    return joined(targets, rows);
  }

  /**
   * The built-in prompts of objects, split before each name.
   *
   * @throws InputException where the prompts or embeddings are the user's own
   */
  public SplitPrompts split(ClipModel model, List<String> targets) {
    if (library != null || file != null || probe != null) {
      throw new InputException(
          "--defense-prefix",
          "cannot be combined with --prompts, --library or --probe",
          "It inserts its own token into the built-in prompts");
    }
    List<String> phrases = targets.stream().map(TargetPrompts::withArticle).toList();
    return new SplitPrompts(model, targets, phrases, Evaluation.TEMPLATES);
  }

  /** Whether the built-in prompts are those for portraits. */
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
            file,
            "\"" + line + "\" is not target, tab and prompt",
            "Write man<TAB>a photo of a man");
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
      rows.add(Arrays.copyOfRange(all.embeddings(), row * all.width(), (row + 1) * all.width()));
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
