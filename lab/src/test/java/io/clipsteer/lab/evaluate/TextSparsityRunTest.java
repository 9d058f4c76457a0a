// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.evaluate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.Progress;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.imageset.ImageSet;
import io.clipsteer.data.json.JsonFile;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.checkpoint.Tokenizer;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.ResidualEdit;
import io.clipsteer.engine.model.TextTower;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SaeActivation;
import io.clipsteer.lab.TestSaes;
import io.clipsteer.lab.answer.ZeroShot;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.RunFolder;
import io.clipsteer.lab.run.RunSaes;
import io.clipsteer.lab.train.TrainSource;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import javax.imageio.ImageIO;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Reports of text SAEs against one text at a time, and one whole pass for each prompt. */
final class TextSparsityRunTest {
  private static final Path MODEL =
      Path.of("../engine/src/test/resources/models/hf-clip-quickgelu");
  private static final List<String> LINES =
      List.of("a photo of a dog", "dog", "a big red bird on a cat", "the bird", "cat and dog");
  private static final List<String> CLASSES = List.of("bird", "cat", "dog");
  private static final int FEATURES = 50;

  @TempDir private static Path temp;

  /** A token as the SAE read it and gave it back; place −1 is the end token. */
  private record Token(int place, float[] x, float[] back, boolean[] active) {}

  private static RunSaes.One one(String point, String tokens, int width, long seed) {
    Sae sae =
        TestSaes.random(
            width, FEATURES, new SaeActivation.Relu(), new InputNormalisation.None(), true, seed);
    return new RunSaes.One(new RunFolder.SaeEntry("saes/x", point, tokens, "test", 0, 0, 0), sae);
  }

  private static List<Token> tokens(ClipModel model, RunSaes.One one) {
    Tokenizer tokenizer = Objects.requireNonNull(model.tokenizer());
    TextTower tower = Objects.requireNonNull(model.text());
    List<Token> all = new ArrayList<>();
    for (String line : LINES) {
      try (Scope scope = Scope.open()) {
        long[][] ids = tokenizer.encode(List.of(line));
        Tensor value = tower.runUntil(ids, one.point(), Hooks.NONE).value();
        for (int at = 0; ; at++) {
          boolean end = ids[0][at] == tokenizer.endId();
          if (end || one.entry().tokens().equals("all")) {
            Tensor x = value.select(0, 0).narrow(0, at, 1).contiguous();
            Sae.Encoded encoded = one.sae().encode(x);
            boolean[] active = new boolean[FEATURES];
            for (long k : encoded.code().indices().to(DType.I64).toLongs()) active[(int) k] = true;
            float[] back = one.sae().decode(encoded).toFloats();
            all.add(new Token(end ? -1 : at, x.toFloats(), back, active));
          }
          if (end) break;
        }
      }
    }
    return all;
  }

  private static double l0(List<Token> tokens, int from, int to) {
    return tokens.stream()
        .filter(t -> t.place >= from && t.place < to)
        .mapToInt(
            t -> {
              int count = 0;
              for (boolean a : t.active) if (a) count++;
              return count;
            })
        .average()
        .orElse(Double.NaN);
  }

  private static double[] mean(List<Token> tokens) {
    double[] mean = new double[tokens.getFirst().x.length];
    for (Token t : tokens) for (int j = 0; j < mean.length; j++) mean[j] += t.x[j] / tokens.size();
    return mean;
  }

  private static double explainedVariance(List<Token> tokens) {
    double[] mean = mean(tokens);
    double error = 0;
    double spread = 0;
    for (Token t : tokens) {
      for (int j = 0; j < mean.length; j++) {
        error += Math.pow(t.x[j] - t.back[j], 2);
        spread += Math.pow(t.x[j] - mean[j], 2);
      }
    }
    return 1 - error / spread;
  }

  /** Mean −ln P(right) when the classes' prompts go through a tower with a hook. */
  private static double crossEntropy(
      ClipModel model, float[] images, int[] right, @Nullable ResidualEdit edit, HookPoint at) {
    Tokenizer tokenizer = Objects.requireNonNull(model.tokenizer());
    TextTower tower = Objects.requireNonNull(model.text());
    int e = tower.config().embedDim();
    double[][] words = new double[CLASSES.size()][e];
    for (int w = 0; w < words.length; w++) {
      try (Scope scope = Scope.open()) {
        long[][] ids = tokenizer.encode(List.of("a photo of a " + CLASSES.get(w) + "."));
        Hooks hooks = edit == null ? Hooks.NONE : Hooks.NONE.edit(at, edit);
        float[] unit = tower.run(ids, hooks).embedding().toFloats();
        for (int j = 0; j < e; j++) words[w][j] = unit[j];
      }
    }
    double total = 0;
    for (int i = 0; i < right.length; i++) {
      double[] logits = new double[words.length];
      for (int w = 0; w < words.length; w++) {
        for (int j = 0; j < e; j++) logits[w] += images[i * e + j] * words[w][j];
        logits[w] *= model.logitScale();
      }
      double sum = 0;
      for (double logit : logits) sum += Math.exp(logit - logits[right[i]]);
      total += Math.log(sum);
    }
    return total / right.length;
  }

  private static Images images(ClipModel model) throws IOException {
    Random random = new Random(3);
    for (String name : CLASSES) {
      for (int i = 0; i < 3; i++) {
        Path file = temp.resolve("classes/%s/%d.png".formatted(name, i));
        Files.createDirectories(file.getParent());
        BufferedImage image = new BufferedImage(32, 32, BufferedImage.TYPE_INT_RGB);
        for (int p = 0; p < 1024; p++) image.setRGB(p % 32, p / 32, random.nextInt());
        ImageIO.write(image, "png", file.toFile());
      }
    }
    return new Images(
        ImageSet.open(temp.resolve("classes")),
        model.preprocessing(),
        ImageLoader.Options.of(4).withThreads(1));
  }

  @Test
  void everyNumberIsThatOfTheDefinition() throws IOException {
    Path file = Files.writeString(temp.resolve("lines.txt"), String.join("\n", LINES));
    try (ClipModel model = ClipModel.load(MODEL)) {
      int width = Objects.requireNonNull(model.text()).config().width();
      Images images = images(model);
      Truth truth = Truth.of(model, images, null, ZeroShot.DEFAULT_TEMPLATES, Progress.SILENT);
      var judge = new TextSparsityRun.Judge(images, truth, ZeroShot.DEFAULT_TEMPLATES);
      var source = TrainSource.FromTexts.read(model, file);
      float[] seen = new float[9 * model.vision().config().embedDim()];
      int[] right = new int[9];
      int[] at = new int[1];
      images.forEach(
          (batch, pixels) -> {
            float[] unit = model.vision().run(pixels, Hooks.NONE).embedding().toFloats();
            int e = unit.length / batch.count();
            System.arraycopy(unit, 0, seen, at[0] * e, unit.length);
            for (String label : batch.labels()) right[at[0]++] = CLASSES.indexOf(label);
          });
      try (RunSaes saes =
          new RunSaes(
              List.of(
                  one("text.blocks.1.hook_resid_post", "all", width, 1),
                  one("text.blocks.0.hook_mlp_out", "all", width, 2),
                  one("text.blocks.1.hook_resid_post", "cls", width, 3)))) {
        SparsityReport report = new TextSparsityRun(source, saes, judge).run(Progress.SILENT);
        assertEquals(5, report.images());
        assertTrue(report.texts());
        assertEquals(2, report.notes().size(), report.notes()::toString);
        assertTrue(report.notes().getFirst().endsWith("classes"), report.notes()::toString);
        double original = crossEntropy(model, seen, right, null, saes.all().getFirst().point());
        for (int i = 0; i < 3; i++) {
          RunSaes.One one = saes.all().get(i);
          List<Token> tokens = tokens(model, one);
          SparsityReport.Sparsity actual = report.saes().get(i).sparsity();
          assertEquals(tokens.size(), actual.tokens());
          assertEquals(l0(tokens, -1, 99), actual.l0(), 1e-9);
          assertEquals(l0(tokens, -1, 0), Objects.requireNonNull(actual.l0Cls()), 1e-9);
          assertEquals(
              explainedVariance(tokens), Objects.requireNonNull(actual.explainedVariance()), 1e-4);
          if (one.entry().tokens().equals("cls")) {
            assertNull(actual.l0Patches());
            continue;
          }
          assertEquals(l0(tokens, 0, 99), Objects.requireNonNull(actual.l0Patches()), 1e-9);
          double[][] line = Objects.requireNonNull(actual.l0Grid());
          int longest = tokens.stream().mapToInt(Token::place).max().orElse(0) + 1;
          double[] expected = new double[longest];
          for (int p = 0; p < longest; p++) expected[p] = l0(tokens, p, p + 1);
          assertArrayEquals(expected, line[0], 1e-9);
          answers(model, one, tokens, seen, right, original, report.saes().get(i).zeroShot());
        }
        assertNotNull(report.saes().get(2).zeroShot());
      }
    }
  }

  private static void answers(
      ClipModel model,
      RunSaes.One one,
      List<Token> tokens,
      float[] seen,
      int[] right,
      double original,
      SparsityReport.@Nullable ZeroShotScores actual) {
    assertNotNull(actual);
    double[] mean = mean(tokens);
    float[] floats = new float[mean.length];
    for (int j = 0; j < mean.length; j++) floats[j] = (float) mean[j];
    // Every place is replaced, padding too: a causal tower's end token does not see it.
    ResidualEdit back =
        (point, x) -> {
          Tensor rows = x.reshape(x.size(0) * x.size(1), x.size(2)).contiguous();
          return one.sae().decode(one.sae().encode(rows)).reshape(x.size(0), x.size(1), x.size(2));
        };
    ResidualEdit meanThere = (point, x) -> filled(x, floats);
    ResidualEdit zeroThere = (point, x) -> filled(x, new float[floats.length]);
    double spliced = crossEntropy(model, seen, right, back, one.point());
    near(original, actual.original());
    near(spliced, actual.spliced());
    near(crossEntropy(model, seen, right, meanThere, one.point()), actual.meanAblated());
    near(crossEntropy(model, seen, right, zeroThere, one.point()), actual.zeroAblated());
    assertNotEquals(original, spliced, 1e-3, "the splice does something");
  }

  private static Tensor filled(Tensor x, float[] row) {
    float[] all = new float[(int) (x.size(0) * x.size(1) * x.size(2))];
    for (int i = 0; i < all.length; i++) all[i] = row[i % row.length];
    return Tensor.of(all, x.size(0), x.size(1), x.size(2));
  }

  private static void near(double expected, SparsityReport.Quality actual) {
    assertEquals(expected, Objects.requireNonNull(actual.crossEntropy()), 1e-4);
  }

  @Test
  void withoutImagesAnswersAreLeftOut() throws IOException {
    Path file = Files.writeString(temp.resolve("few.txt"), "a dog\na cat\n");
    try (ClipModel model = ClipModel.load(MODEL);
        RunSaes saes =
            new RunSaes(
                List.of(
                    one(
                        "text.blocks.0.hook_resid_post",
                        "all",
                        Objects.requireNonNull(model.text()).config().width(),
                        4)))) {
      var source = TrainSource.FromTexts.read(model, file);
      SparsityReport report = new TextSparsityRun(source, saes, null).run(Progress.SILENT);
      assertNull(report.saes().getFirst().zeroShot());
      assertTrue(report.notes().getFirst().contains("--images"), report.notes()::toString);
      assertEquals(2, JsonFile.MAPPER.valueToTree(report).path("texts").asInt());
    }
  }
}
