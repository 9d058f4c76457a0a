// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.image.ImageDecoder;
import io.clipsteer.data.imageset.GroupSource;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.imageset.ImageSet;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.lab.DemoModel;
import io.clipsteer.lab.answer.ZeroShot;
import io.clipsteer.lab.study.LabelledImages;
import io.clipsteer.lab.study.SplitPrompts;
import io.clipsteer.lab.study.Study;
import io.clipsteer.lab.study.StudySource;
import io.clipsteer.lab.study.TargetPrompts;
import io.clipsteer.world.WorldSet;
import java.nio.file.Path;
import java.util.BitSet;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** On the demo CLIP, which reads instead of looking: a learnt prefix makes it look. */
final class DefensePrefixTest {
  private static final TargetPrompts PROMPTS = TargetPrompts.BUILT_IN;

  @TempDir private static Path temp;

  private static ClipModel model;

  @BeforeAll
  static void load() {
    model = DemoModel.load(temp);
  }

  @AfterAll
  static void close() {
    model.close();
  }

  private static GroupSource draw(WorldSet.Split split, int count) {
    Path folder = temp.resolve(split.name());
    WorldSet.TYPOGRAPHIC.write(folder, split, count, 5, 64, Progress.SILENT);
    return GroupSource.parse("--data", "typographic:" + folder);
  }

  @Test
  void whatIsLearntHelpsOnOtherWordsAndFonts() {
    Path things = temp.resolve("things");
    WorldSet.OBJECTS.write(things, WorldSet.Split.TEST, 208, 5, 64, Progress.SILENT);
    var options =
        new ImageLoader.Options(32, 2, 2, 0, Long.MAX_VALUE, ImageDecoder.DecodeOptions.DEFAULT);
    Study study =
        new StudySource(
                draw(WorldSet.Split.TEST, 80),
                draw(WorldSet.Split.TRAIN, 120),
                draw(WorldSet.Split.VALIDATION, 8),
                ImageSet.open(things),
                null,
                1000,
                false,
                1)
            .read(model, PROMPTS, options, Progress.SILENT);
    List<String> words = study.test().getFirst().head().words();
    DefensePrefix prefix = new DefensePrefix(model, PROMPTS.split(model, words), 250);
    TextLibrary learnt = prefix.learn(study.train(), 3, Progress.SILENT);
    assertEquals(words, learnt.words());
    double[] before = accuracy(study, null);
    double[] after = accuracy(study, learnt);
    assertTrue(before[1] < 0.15, "attacked, plain " + before[1]);
    assertTrue(after[1] > before[1] + 0.1, "attacked " + before[1] + " to " + after[1]);
    assertTrue(after[0] > 0.8, "clean " + before[0] + " to " + after[0]);
    // The same seed, the same vector: images are embedded anew, and nothing else is kept.
    TextLibrary again =
        new DefensePrefix(model, PROMPTS.split(model, words), 250)
            .learn(study.train(), 3, Progress.SILENT);
    assertArrayEquals(learnt.embeddings(), again.embeddings());
  }

  /** Without writing, and with. */
  private static double[] accuracy(Study study, @Nullable TextLibrary other) {
    List<LabelledImages> evaluated =
        study.test().stream()
            .map(
                c ->
                    new LabelledImages(
                        c.images(),
                        other == null ? c.head() : ZeroShot.head(model, other),
                        c.truth(),
                        c.group()))
            .toList();
    EditTrial.TrialResult result =
        EditTrial.run(model, evaluated, List.of(), null, "test", Progress.SILENT);
    BitSet right = result.before();
    GroupScore score = GroupScore.of(study.groups(), result.groups(), right, right);
    return score.groups().stream().mapToDouble(g -> g.before().value()).toArray();
  }

  @Test
  void theVectorStandsBeforeTheName() {
    List<String> words = List.of("apple", "dog", "the moon");
    SplitPrompts texts = PROMPTS.split(model, words);
    var tokenizer = model.tokenizer();
    if (tokenizer == null) throw new AssertionError("no tokenizer");
    List<String> templates = io.clipsteer.lab.demo.Evaluation.TEMPLATES;
    List<String> phrases = List.of("an apple", "a dog", "the moon");
    List<String> names = List.of("apple", "dog", "moon");
    for (int t = 0; t < texts.templates(); t++) {
      for (int i = 0; i < words.size(); i++) {
        long[] name = tokenizer.encode(List.of(names.get(i)))[0];
        int place = texts.positions(t)[i];
        for (int j = 1; name[j - 1] != tokenizer.endId(); j++) {
          assertEquals(name[j], texts.ids(t)[i][place + j - 1], templates.get(t) + words.get(i));
        }
      }
      try (Scope scope = Scope.open()) {
        TextLibrary plain =
            ZeroShot.library(model, phrases, List.of(templates.get(t)), Progress.SILENT);
        assertArrayEquals(plain.embeddings(), texts.embeddings(t).toFloats(), 1e-6f);
      }
    }
  }

  @Test
  void ownPromptsAreRefused() {
    TargetPrompts own = new TargetPrompts(temp.resolve("prompts"), null, null);
    InputException e =
        assertThrows(InputException.class, () -> own.split(model, List.of("dog", "cat")));
    assertTrue(String.valueOf(e.getMessage()).contains("combined with --prompts"), e.getMessage());
  }
}
