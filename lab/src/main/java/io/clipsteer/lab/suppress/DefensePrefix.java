// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.SideBySide;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.PrefixedTexts;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.lab.study.LabelledImages;
import io.clipsteer.lab.study.SplitTexts;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/**
 * The defence that changes the question instead of the image: one learnt vector stands as a token
 * before the class name (Azuma and Matsui 2023, "Defense-Prefix for preventing typographic attacks
 * on CLIP"). Losses and rates are those of its authors' code: the cross-entropy of attacked images
 * plus the divergence of what clean images are answered with the vector from what they are answered
 * without, one template a step, SGD from 2e-3 along a cosine to 5e-5, vector drawn with deviation
 * 0.02. Its ten epochs of 128,000 images become {@link PrefixSettings#STEPS} steps, and the cosine
 * falls at every step instead of every epoch. Attacked and clean images of a step are drawn each by
 * itself, the templates are the study's own, and answers are means over them.
 */
final class DefensePrefix {
  private static final int BATCH = 512;
  private static final double RATE = 2e-3;
  private static final double LAST_RATE = 5e-5;
  private static final double SPREAD = 0.02;

  /** Embeddings of training images and their right answers. */
  private static final class Part {
    private final List<float[]> rows = new ArrayList<>();
    private final List<Integer> truth = new ArrayList<>();

    /** Rows of {@code drawn} as F32 [n,e]. */
    Tensor embeddings(int[] drawn) {
      int e = rows.getFirst().length;
      float[] all = new float[drawn.length * e];
      for (int i = 0; i < drawn.length; i++) {
        System.arraycopy(rows.get(drawn[i]), 0, all, i * e, e);
      }
      return Tensor.of(all, drawn.length, e);
    }
  }

  private final ClipModel model;
  private final PrefixedTexts texts;
  private final SplitTexts wording;
  private final int steps;
  private final Part clean = new Part();
  private final Part attacked = new Part();

  /**
   * For a model and the texts of its answers.
   *
   * @throws InputException when the model's texts have no place or no room for a token more
   */
  DefensePrefix(ClipModel model, SplitTexts wording, int steps) {
    this.model = model;
    this.steps = steps;
    this.wording = wording;
    if (wording.targets().size() < 2) {
      throw new InputException(
          "--defense-prefix", "there is one answer", "There must be something to choose from");
    }
    this.texts = new PrefixedTexts(wording.tower());
    library(new float[texts.width()]);
  }

  /**
   * Learns it.
   *
   * @param train group 0 without writing, group 1 with
   * @return the answers' embeddings with the vector before each name
   */
  TextLibrary learn(List<LabelledImages> train, long seed, Progress progress) {
    look(train, progress);
    return library(learn(seed, progress));
  }

  private void look(List<LabelledImages> train, Progress progress) {
    long total = 0;
    for (LabelledImages cases : train) total += cases.truth().length;
    try (var task = progress.start("embedding training images", total, "images")) {
      for (LabelledImages cases : train) {
        cases
            .images()
            .forEach(
                (batch, pixels) -> {
                  Tensor seen = model.vision().run(pixels, Hooks.NONE).embedding().to(Device.CPU);
                  float[] all = seen.toFloats();
                  int e = (int) seen.size(1);
                  int[] truth = cases.truth(batch);
                  int[] group = cases.group(batch);
                  for (int i = 0; i < truth.length; i++) {
                    Part part = group[i] == 0 ? clean : attacked;
                    part.rows.add(Arrays.copyOfRange(all, i * e, (i + 1) * e));
                    part.truth.add(truth[i]);
                  }
                  task.advance(batch.count(), model.vision().flopsPerImage() * batch.count());
                });
      }
    }
  }

  private float[] learn(long seed, Progress progress) {
    SplittableRandom random = new SplittableRandom(seed);
    int d = texts.width();
    float[] start = new float[d];
    for (int j = 0; j < d; j++) start[j] = (float) (SPREAD * random.nextGaussian());
    try (Scope all = Scope.open();
        var task = progress.start("learning a defense prefix", steps, "steps")) {
      Tensor vector = Tensor.of(start, 1, d);
      Tensor gradient = Tensor.of(new float[d], 1, d);
      for (int step = 0; step < steps; step++) {
        double along = 0.5 * (1 + Math.cos(Math.PI * step / steps));
        double rate = LAST_RATE + (RATE - LAST_RATE) * along;
        int template = random.nextInt(wording.templates());
        gradient.fillInPlace(0);
        try (Scope scope = Scope.openRecording()) {
          Tensor leaf = vector.trainable(gradient);
          SideBySide.gradients(
              half -> List.of(half(half, template, leaf)),
              halves -> loss(template, halves.stream().map(List::getFirst).toList(), random));
        }
        vector.addInPlace(gradient, -rate);
        task.advance(1, 0);
      }
      return vector.toFloats();
    }
  }

  /** Embeddings of half of the answers. */
  private Tensor half(int half, int template, Tensor vector) {
    long[][] ids = wording.ids(template);
    int from = half * ids.length / SideBySide.COUNT;
    int to = (half + 1) * ids.length / SideBySide.COUNT;
    int[] places = Arrays.copyOfRange(wording.places(template), from, to);
    return texts.embed(Arrays.copyOfRange(ids, from, to), places, vector).to(Device.CPU);
  }

  private Tensor loss(int template, List<Tensor> halves, SplittableRandom random) {
    double scale = model.logitScale();
    Tensor with = Tensor.concat(halves, 0);
    int[] wrong = drawn(attacked, random);
    Tensor right = onTruth(attacked, wrong, with.size(0));
    Tensor attack = logits(attacked.embeddings(wrong), with, scale).logSoftmax(1).mul(right);
    int[] plain = drawn(clean, random);
    Tensor images = clean.embeddings(plain);
    Tensor wanted = logits(images, wording.embeddings(template), scale).softmax();
    Tensor kept = logits(images, with, scale).logSoftmax(1).mul(wanted);
    // The wanted answers' own entropy is constant: it has no part in the gradient.
    return sum(attack).mul(-1.0 / wrong.length).add(sum(kept).mul(-1.0 / plain.length));
  }

  private static Tensor sum(Tensor matrix) {
    long n = matrix.elements();
    return matrix.reshape(n).mean(0, false).mul((double) n);
  }

  private static Tensor logits(Tensor images, Tensor texts, double scale) {
    return images.matmul(texts.transpose(0, 1)).mul(scale);
  }

  private static int[] drawn(Part part, SplittableRandom random) {
    int all = part.rows.size();
    if (all <= BATCH) {
      int[] every = new int[all];
      for (int i = 0; i < all; i++) every[i] = i;
      return every;
    }
    return random.ints(BATCH, 0, all).toArray();
  }

  /** 1 at each image's right answer, else 0. */
  private static Tensor onTruth(Part part, int[] drawn, long answers) {
    int n = Math.toIntExact(answers);
    float[] ones = new float[drawn.length * n];
    for (int i = 0; i < drawn.length; i++) ones[i * n + part.truth.get(drawn[i])] = 1;
    return Tensor.of(ones, drawn.length, n);
  }

  /** Mean over the templates of unit embeddings, brought to unit length again. */
  private TextLibrary library(float[] vector) {
    try (Scope scope = Scope.open()) {
      Tensor mean = null;
      Tensor learnt = Tensor.of(vector, 1, vector.length);
      for (int t = 0; t < wording.templates(); t++) {
        Tensor one = texts.embed(wording.ids(t), wording.places(t), learnt);
        mean = mean == null ? one : mean.add(one);
      }
      if (mean == null) throw new IllegalStateException("no template");
      float[] unit = mean.unit().toFloats();
      return new TextLibrary(wording.targets(), unit, unit.length / wording.targets().size());
    }
  }
}
