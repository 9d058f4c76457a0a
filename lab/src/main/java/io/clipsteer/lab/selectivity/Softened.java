// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.selectivity;

import io.clipsteer.lab.probe.Probe;

/**
 * A smooth T − O, by which features are chosen: answers are probabilities, so that an edit counts
 * before it changes an answer. Logits are scaled so that the mean margin of the best answer is
 * {@link #TYPICAL_MARGIN}, where softmax is neither a step nor flat.
 *
 * @param before probabilities of the unedited items [items,k]
 * @param answers class of each
 * @param factor of all logits
 */
record Softened(float[] before, int[] answers, int classes, double factor) {
  /** In logits. */
  private static final double TYPICAL_MARGIN = 2;

  /** Of unedited logits [items,k]. */
  static Softened of(float[] logits, int classes) {
    int[] answers = Probe.best(logits, classes);
    double margin = 0;
    for (int i = 0; i < answers.length; i++) {
      float second = Float.NEGATIVE_INFINITY;
      for (int c = 0; c < classes; c++) {
        if (c != answers[i]) second = Math.max(second, logits[i * classes + c]);
      }
      margin += (logits[i * classes + answers[i]] - second) / answers.length;
    }
    double factor = TYPICAL_MARGIN / Math.max(margin, 1e-6);
    float[] p = logits.clone();
    for (int i = 0; i < answers.length; i++) softmax(p, i * classes, classes, factor);
    return new Softened(p, answers, classes, factor);
  }

  /**
   * The mean rise of the wanted answer over the class's items, minus the mean fall of the others'
   * own answers.
   *
   * @param edited logits after an edit; overwritten
   * @param to the wanted answer; below 0 any other than the class's own
   */
  double aim(float[] edited, int label, int to) {
    double gain = 0;
    double harm = 0;
    int targets = 0;
    for (int i = 0; i < answers.length; i++) {
      int at = i * classes;
      softmax(edited, at, classes, factor);
      int own = answers[i];
      if (own == label) {
        targets++;
        gain += to < 0 ? before[at + own] - edited[at + own] : edited[at + to] - before[at + to];
      } else {
        harm += Math.max(0, before[at + own] - edited[at + own]);
      }
    }
    int others = answers.length - targets;
    return gain / Math.max(1, targets) - harm / Math.max(1, others);
  }

  private static void softmax(float[] logits, int at, int k, double factor) {
    double most = Double.NEGATIVE_INFINITY;
    for (int c = at; c < at + k; c++) most = Math.max(most, logits[c]);
    double sum = 0;
    for (int c = at; c < at + k; c++) {
      logits[c] = (float) Math.exp(factor * (logits[c] - most));
      sum += logits[c];
    }
    for (int c = at; c < at + k; c++) logits[c] /= (float) sum;
  }
}
