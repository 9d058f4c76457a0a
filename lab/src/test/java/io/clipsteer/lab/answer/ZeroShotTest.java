// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.answer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.checkpoint.Tokenizer;
import io.clipsteer.engine.model.AnswerHead;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.engine.model.TextTower;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Zero-shot answers against sums written out by hand. */
final class ZeroShotTest {
  private static final Path MODELS = Path.of("../engine/src/test/resources/models");

  private static ClipModel load(String name) {
    return ClipModel.load(MODELS.resolve(name));
  }

  @Test
  void aClassIsTheUnitMeanOfItsTemplates() {
    List<String> classes = new ArrayList<>();
    for (int i = 0; i < 30; i++) classes.add("dog " + i);
    List<String> templates =
        List.of("a photo of a {}.", "{}", "the {} and the {}", "itap of my {}");
    try (ClipModel model = load("hf-clip-quickgelu")) {
      TextLibrary library = ZeroShot.library(model, classes, templates, Progress.SILENT);
      assertEquals(classes, library.words());
      assertEquals(20, library.width());
      for (int c = 0; c < classes.size(); c++) {
        double[] mean = new double[20];
        for (String template : templates) {
          float[] unit = embed(model, template.replace("{}", classes.get(c)));
          for (int j = 0; j < 20; j++) mean[j] += unit[j] / templates.size();
        }
        double norm = 0;
        for (double m : mean) norm += m * m;
        for (int j = 0; j < 20; j++) {
          assertEquals(mean[j] / Math.sqrt(norm), library.embeddings()[c * 20 + j], 1e-5);
        }
      }
    }
  }

  private static float[] embed(ClipModel model, String text) {
    TextTower tower = Objects.requireNonNull(model.text());
    Tokenizer tokenizer = Objects.requireNonNull(model.tokenizer());
    try (Scope scope = Scope.open()) {
      return tower.run(tokenizer.encode(List.of(text)), Hooks.NONE).embedding().toFloats();
    }
  }

  @Test
  void probabilitiesAreASoftmaxOverAllWords() {
    int words = 37;
    int e = 6;
    Random random = new Random(4);
    float[] rows = new float[words * e];
    for (int i = 0; i < rows.length; i++) rows[i] = (float) random.nextGaussian();
    List<String> names = new ArrayList<>();
    for (int i = 0; i < words; i++) names.add("word" + i);
    var library = new TextLibrary(names, rows, e);
    float[] images = new float[3 * e];
    for (int i = 0; i < images.length; i++) images[i] = (float) random.nextGaussian();
    for (double scale : new double[] {1, 100, 5000}) {
      List<List<ZeroShot.Answer>> all;
      try (Scope scope = Scope.open()) {
        all = ZeroShot.answers(Tensor.of(images, 3, e), AnswerHead.zeroShot(library, scale), words);
      }
      assertEquals(3, all.size());
      for (int i = 0; i < 3; i++) {
        double[] logits = new double[words];
        double max = Double.NEGATIVE_INFINITY;
        for (int w = 0; w < words; w++) {
          for (int j = 0; j < e; j++) logits[w] += scale * images[i * e + j] * rows[w * e + j];
          max = Math.max(max, logits[w]);
        }
        double sum = 0;
        for (double logit : logits) sum += Math.exp(logit - max);
        double total = 0;
        double before = Double.POSITIVE_INFINITY;
        for (ZeroShot.Answer answer : all.get(i)) {
          assertEquals("word" + answer.index(), answer.word());
          double expected = Math.exp(logits[answer.index()] - max) / sum;
          assertEquals(expected, answer.probability(), 1e-6 * scale);
          assertTrue(answer.probability() <= before, "best first");
          before = answer.probability();
          total += answer.probability();
        }
        assertEquals(1, total, 1e-6);
        assertEquals(
            words, all.get(i).stream().mapToInt(ZeroShot.Answer::index).distinct().count());
      }
    }
  }

  @Test
  void equalWordsKeepTheirOrder() {
    float[] rows = {1, 0, 0, 1, 0, 1, 1, 0, 0, 1};
    var library = new TextLibrary(List.of("a", "b", "c", "d", "e"), rows, 2);
    try (Scope scope = Scope.open()) {
      var answers =
          ZeroShot.answers(Tensor.of(new float[] {0, 1}, 1, 2), AnswerHead.zeroShot(library, 3), 4)
              .getFirst();
      assertEquals(List.of(1, 2, 4, 0), answers.stream().map(ZeroShot.Answer::index).toList());
      double one = Math.exp(3) / (3 * Math.exp(3) + 2);
      assertEquals(one, answers.getFirst().probability(), 1e-7);
      assertEquals(answers.get(0).probability(), answers.get(2).probability());
      // More answers wanted than there are words.
      assertEquals(
          5,
          ZeroShot.answers(Tensor.of(new float[2], 1, 2), AnswerHead.zeroShot(library, 3), 9)
              .getFirst()
              .size());
    }
  }

  @Test
  void whatDoesNotFitIsRefused() {
    try (ClipModel model = load("hf-clip-quickgelu");
        ClipModel blind = load("hf-clip-vision-only");
        ClipModel mute = load("hf-clip-bin")) {
      var library = new TextLibrary(List.of("a"), new float[] {1, 0, 0}, 3);
      String text = refused(() -> ZeroShot.checkFits(model, library));
      assertTrue(text.contains("20") && text.contains("3"), text);
      List<String> names = List.of("dog");
      List<String> templates = ZeroShot.DEFAULT_TEMPLATES;
      text = refused(() -> ZeroShot.library(blind, names, templates, Progress.SILENT));
      assertTrue(text.contains("no text tower"), text);
      text = refused(() -> ZeroShot.library(mute, names, templates, Progress.SILENT));
      assertTrue(text.contains("no tokenizer"), text);
    }
  }

  private static String refused(Runnable body) {
    String message = String.valueOf(assertThrows(InputException.class, body::run).getMessage());
    assertEquals(1, message.lines().count(), message);
    return message;
  }

  @Test
  void listsAreReadLineByLine(@TempDir Path folder) throws IOException {
    Path file = folder.resolve("list.txt");
    Files.writeString(file, "  a {} here \r\n\n\t\nétoile {}\n");
    assertEquals(List.of("a {} here", "étoile {}"), ZeroShot.readTemplates(file));
    Files.writeString(file, "a {}\nno place\n");
    String text = refused(() -> ZeroShot.readTemplates(file));
    assertTrue(text.contains("no place") && text.contains("list.txt"), text);
    Files.writeString(file, " \n\n");
    refused(() -> ZeroShot.readTemplates(file));
    Files.write(file, new byte[] {(byte) 0xff, (byte) 0xfe, 0x41});
    refused(() -> ZeroShot.readTemplates(file));
    refused(() -> ZeroShot.readTemplates(folder.resolve("absent.txt")));
  }

  @Test
  void refusesAnswersThatAreNoNumbers() {
    TextLibrary library = new TextLibrary(List.of("a", "b"), new float[] {1, 0, 0, 1}, 2);
    try (Scope scope = Scope.open()) {
      Tensor broken = Tensor.of(new float[] {Float.NaN, 1}, 1, 2);
      assertThrows(
          InputException.class,
          () -> ZeroShot.answers(broken, AnswerHead.zeroShot(library, 100), 1));
    }
  }
}
