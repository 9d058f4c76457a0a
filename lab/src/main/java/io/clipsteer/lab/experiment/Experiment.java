// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.experiment;

import io.clipsteer.data.image.LabelMap;
import io.clipsteer.data.preprocess.Preprocessing;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.AnswerHead;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.TowerOutput;
import io.clipsteer.engine.model.VisionTower;
import io.clipsteer.lab.probe.Probe;
import io.clipsteer.lab.probe.Upsampling;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;

/**
 * An edit inside the tower, and what it changes on one image.
 *
 * @param hooks the edits of a pass
 */
public record Experiment(VisionTower tower, Hooks hooks) {
  /**
   * A class before and after.
   *
   * @param before probability, 0 to 1
   * @param after likewise
   * @param logitChange how much its logit rose, compared with the mean of all classes
   */
  public record ClassAnswer(String name, double before, double after, double logitChange) {}

  /** All classes; first those with a high probability before or after. */
  public List<ClassAnswer> answers(Tensor pixels, AnswerHead head) {
    return answers(tower.run(pixels, Hooks.NONE), tower.run(pixels, hooks), head);
  }

  /** The same of one image's outputs without and with an edit. */
  public static List<ClassAnswer> answers(
      TowerOutput unedited, TowerOutput edited, AnswerHead head) {
    double[] was = logits(unedited, head);
    double[] is = logits(edited, head);
    double[] before = softmax(was);
    double[] after = softmax(is);
    double rise = 0;
    for (int c = 0; c < was.length; c++) rise += (is[c] - was[c]) / was.length;
    List<ClassAnswer> all = new ArrayList<>();
    for (int c = 0; c < was.length; c++) {
      all.add(new ClassAnswer(head.words().get(c), before[c], after[c], is[c] - was[c] - rise));
    }
    all.sort(Comparator.comparingDouble(one -> -Math.max(one.before, one.after)));
    return List.copyOf(all);
  }

  private static double[] logits(TowerOutput output, AnswerHead head) {
    try (Scope scope = Scope.open()) {
      float[] scores = head.scores(output).toFloats();
      return IntStream.range(0, scores.length).mapToDouble(i -> head.scale() * scores[i]).toArray();
    }
  }

  private static double[] softmax(double[] logits) {
    double most = Double.NEGATIVE_INFINITY;
    for (double logit : logits) most = Math.max(most, logit);
    double[] p = new double[logits.length];
    double sum = 0;
    for (int c = 0; c < p.length; c++) sum += p[c] = Math.exp(logits[c] - most);
    for (int c = 0; c < p.length; c++) p[c] /= sum;
    return p;
  }

  /**
   * A map of classes before and after, in the size of the tower's input.
   *
   * @param patches class of each patch before, row by row
   * @param patchesAfter likewise after
   */
  public record Maps(LabelMap before, LabelMap after, int[] patches, int[] patchesAfter) {
    /** Pixels of one class that became another. */
    public record MovedPixels(String from, String to, long pixels) {}

    /** What became what, most pixels first; pixels that stayed are not listed. */
    public List<MovedPixels> moved(List<String> classes) {
      int k = classes.size();
      long[] counts = new long[k * k];
      byte[] was = before.labels();
      byte[] is = after.labels();
      for (int i = 0; i < was.length; i++) counts[(was[i] & 255) * k + (is[i] & 255)]++;
      return IntStream.range(0, k * k)
          .boxed()
          .filter(pair -> pair / k != pair % k && counts[pair] > 0)
          .sorted(Comparator.comparingLong(pair -> -counts[pair]))
          .map(pair -> new MovedPixels(classes.get(pair / k), classes.get(pair % k), counts[pair]))
          .toList();
    }

    /** Share of some patches, or of all others, whose class changed; 0 of none. */
    public double changed(Set<Integer> some, boolean others) {
      int n = 0;
      int changed = 0;
      for (int p = 0; p < patches.length; p++) {
        if (some.contains(p) == others) continue;
        n++;
        if (patches[p] != patchesAfter[p]) changed++;
      }
      return n == 0 ? 0 : (double) changed / n;
    }
  }

  /** The maps of a head of patches. */
  public Maps maps(Tensor pixels, Probe probe, Preprocessing shape) {
    float[] was = patches(pixels, probe, Hooks.NONE);
    float[] is = patches(pixels, probe, hooks);
    int k = probe.classes().size();
    int columns = shape.width() / tower.config().patch();
    return new Maps(
        Upsampling.answers(was, columns, k, shape.width(), shape.height()),
        Upsampling.answers(is, columns, k, shape.width(), shape.height()),
        Probe.best(was, k),
        Probe.best(is, k));
  }

  private float[] patches(Tensor pixels, Probe probe, Hooks edits) {
    try (Scope scope = Scope.open()) {
      HookPoint end = HookPoint.residPost(probe.reads().layer());
      return probe.patchLogits(tower, tower.runUntil(pixels, end, edits).value());
    }
  }
}
