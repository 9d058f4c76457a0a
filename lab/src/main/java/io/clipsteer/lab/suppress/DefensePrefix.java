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
import io.clipsteer.lab.study.SplitPrompts;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/**
 * Defense-Prefix (Azuma and Matsui 2023, "Defense-Prefix for preventing typographic attacks on
 * CLIP"): a learnt vector stands as a token before the class name of every prompt; images are not
 * edited. Losses and rates are those of the authors' code: the cross-entropy of attacked images
 * plus the divergence of clean images' answers with the vector from their answers without; one
 * template a step; SGD from 2e-3 along a cosine to 5e-5; the vector starts at random with deviation
 * 0.02. The authors' ten epochs of 128,000 images become {@link PrefixSettings#STEPS} steps, and
 * the cosine falls at every step instead of every epoch. A step samples attacked and clean images
 * independently; the templates are the study's own, and answers are means over them.
 */
final class DefensePrefix {
  private static final int BATCH = 512;
  private static final double RATE = 2e-3;
  private static final double LAST_RATE = 5e-5;
  private static final double SPREAD = 0.02;

  /** Embeddings of training images and their right answers. */
  private static final class Embedded {
    private final List<float[]> rows = new ArrayList<>();
    private final List<Integer> truth = new ArrayList<>();

    /** The sampled rows as F32 [n,e]. */
    Tensor embeddings(int[] sample) {
      int e = rows.getFirst().length;
      float[] all = new float[sample.length * e];
      for (int i = 0; i < sample.length; i++) {
        System.arraycopy(rows.get(sample[i]), 0, all, i * e, e);
      }
      return Tensor.of(all, sample.length, e);
    }
  }

  private final ClipModel model;
  private final PrefixedTexts texts;
  private final SplitPrompts prompts;
  private final int steps;
  private final Embedded clean = new Embedded();
  private final Embedded attacked = new Embedded();

  /**
   * For a model and the prompts of its targets.
   *
   * @throws InputException when the text tower has no room for one more token
   */
  DefensePrefix(ClipModel model, SplitPrompts prompts, int steps) {
    this.model = model;
    this.steps = steps;
    this.prompts = prompts;
    if (prompts.targets().size() < 2) {
      throw new InputException(
          "--defense-prefix", "there is one target", "Give images of two targets or more");
    }
    this.texts = new PrefixedTexts(prompts.tower());
    library(new float[texts.width()]);
  }

  /**
   * Learns the prefix.
   *
   * @param train group 0 without writing, group 1 with
   * @return the targets' embeddings with the vector before each name
   */
  TextLibrary learn(List<LabelledImages> train, long seed, Progress progress) {
    embed(train, progress);
    return library(learn(seed, progress));
  }

  private void embed(List<LabelledImages> train, Progress progress) {
    long total = LabelledImages.count(train);
    try (var task = progress.start("embedding the training set", total, "images")) {
      for (LabelledImages images : train) {
        images
            .images()
            .forEach(
                (batch, pixels) -> {
                  Tensor embeddings =
                      model.vision().run(pixels, Hooks.NONE).embedding().to(Device.CPU);
                  float[] all = embeddings.toFloats();
                  int e = (int) embeddings.size(1);
                  int[] truth = images.truth(batch);
                  int[] group = images.group(batch);
                  for (int i = 0; i < truth.length; i++) {
                    Embedded part = group[i] == 0 ? clean : attacked;
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
        var task = progress.start("learning Defense-Prefix", steps, "steps")) {
      Tensor vector = Tensor.of(start, 1, d);
      Tensor gradient = Tensor.of(new float[d], 1, d);
      for (int step = 0; step < steps; step++) {
        double along = 0.5 * (1 + Math.cos(Math.PI * step / steps));
        double rate = LAST_RATE + (RATE - LAST_RATE) * along;
        int template = random.nextInt(prompts.templates());
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

  /** Embeddings of half of the targets. */
  private Tensor half(int half, int template, Tensor vector) {
    long[][] ids = prompts.ids(template);
    int from = half * ids.length / SideBySide.COUNT;
    int to = (half + 1) * ids.length / SideBySide.COUNT;
    int[] positions = Arrays.copyOfRange(prompts.positions(template), from, to);
    return texts.embed(Arrays.copyOfRange(ids, from, to), positions, vector).to(Device.CPU);
  }

  private Tensor loss(int template, List<Tensor> halves, SplittableRandom random) {
    double scale = model.logitScale();
    Tensor with = Tensor.concat(halves, 0);
    int[] wrong = sample(attacked, random);
    Tensor right = onTruth(attacked, wrong, with.size(0));
    Tensor attack = logits(attacked.embeddings(wrong), with, scale).logSoftmax(1).mul(right);
    int[] plain = sample(clean, random);
    Tensor images = clean.embeddings(plain);
    Tensor wanted = logits(images, prompts.embeddings(template), scale).softmax();
    Tensor kept = logits(images, with, scale).logSoftmax(1).mul(wanted);
    // The entropy of the wanted answers is constant and has no gradient.
    return sum(attack).mul(-1.0 / wrong.length).add(sum(kept).mul(-1.0 / plain.length));
  }

  private static Tensor sum(Tensor matrix) {
    long n = matrix.elements();
    return matrix.reshape(n).mean(0, false).mul((double) n);
  }

  private static Tensor logits(Tensor images, Tensor texts, double scale) {
    return images.matmul(texts.transpose(0, 1)).mul(scale);
  }

  private static int[] sample(Embedded part, SplittableRandom random) {
    int all = part.rows.size();
    if (all <= BATCH) return IntStream.range(0, all).toArray();
    return random.ints(BATCH, 0, all).toArray();
  }

  /** 1 at each image's right answer, else 0. */
  private static Tensor onTruth(Embedded part, int[] sample, long answers) {
    int n = Math.toIntExact(answers);
    float[] ones = new float[sample.length * n];
    for (int i = 0; i < sample.length; i++) ones[i * n + part.truth.get(sample[i])] = 1;
    return Tensor.of(ones, sample.length, n);
  }

  /** Mean over the templates of unit embeddings, rescaled to unit length. */
  private TextLibrary library(float[] vector) {
    try (Scope scope = Scope.open()) {
      Tensor mean = null;
      Tensor learnt = Tensor.of(vector, 1, vector.length);
      for (int t = 0; t < prompts.templates(); t++) {
        Tensor one = texts.embed(prompts.ids(t), prompts.positions(t), learnt);
        mean = mean == null ? one : mean.add(one);
      }
      if (mean == null) throw new IllegalStateException("no template");
      float[] unit = mean.unit().toFloats();
      return new TextLibrary(prompts.targets(), unit, unit.length / prompts.targets().size());
    }
  }
}
