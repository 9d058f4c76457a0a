// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.study;

import io.clipsteer.data.InputException;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.checkpoint.Tokenizer;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.TextTower;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The prompts of all targets, one set for each template, split where the name begins: "a photo of a
 * | dog".
 */
public final class SplitPrompts {
  private record Set(long[][] ids, int[] positions, float[] embeddings) {}

  private final TextTower tower;
  private final List<String> targets;
  private final List<Set> sets = new ArrayList<>();

  /**
   * Encodes the prompts.
   *
   * @param phrases each target with its article
   * @param templates with {@code {}} where the phrase goes
   */
  SplitPrompts(
      ClipModel model, List<String> targets, List<String> phrases, List<String> templates) {
    TextTower texts = model.text();
    Tokenizer tokenizer = model.tokenizer();
    if (texts == null || tokenizer == null) {
      throw new InputException(
          model.source().path(),
          "has no text tower, or no tokenizer",
          "Omit --defense-prefix, which needs the text tower");
    }
    this.tower = texts;
    this.targets = List.copyOf(targets);
    for (String template : templates) sets.add(set(tokenizer, phrases, template));
  }

  private Set set(Tokenizer tokenizer, List<String> phrases, String template) {
    List<String> whole = new ArrayList<>();
    List<String> before = new ArrayList<>();
    String start = template.substring(0, template.indexOf("{}"));
    for (String phrase : phrases) {
      whole.add(template.replace("{}", phrase));
      before.add(start + phrase.substring(0, phrase.indexOf(' ')));
    }
    long[][] ids = tokenizer.encode(whole);
    int longest = 0;
    for (long[] row : ids) longest = Math.max(longest, end(tokenizer, row) + 1);
    // A tower that is not causal sees the padding.
    if (tower.config().causal()) {
      for (int i = 0; i < ids.length; i++) ids[i] = Arrays.copyOf(ids[i], longest);
    }
    int[] positions =
        Arrays.stream(tokenizer.encode(before)).mapToInt(row -> end(tokenizer, row)).toArray();
    try (Scope scope = Scope.open()) {
      return new Set(ids, positions, tower.run(ids, Hooks.NONE).embedding().toFloats());
    }
  }

  private static int end(Tokenizer tokenizer, long[] row) {
    for (int i = 0; i < row.length; i++) if (row[i] == tokenizer.endId()) return i;
    throw new InputException(
        "a prompt", "is longer than the text tower's context", "Use shorter names");
  }

  public TextTower tower() {
    return tower;
  }

  public List<String> targets() {
    return targets;
  }

  /** Number of templates. */
  public int templates() {
    return sets.size();
  }

  /** Token ids of a template's prompts. */
  public long[][] ids(int template) {
    return sets.get(template).ids;
  }

  /** Position of the name's first token in each prompt. */
  public int[] positions(int template) {
    return sets.get(template).positions;
  }

  /** Unit embeddings of a template's prompts, F32 [targets,e] on the CPU. */
  public Tensor embeddings(int template) {
    float[] all = sets.get(template).embeddings;
    return Tensor.of(all, targets.size(), all.length / targets.size());
  }
}
