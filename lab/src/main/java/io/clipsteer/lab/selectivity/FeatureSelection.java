// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.selectivity;

import io.clipsteer.engine.sae.Sae;
import io.clipsteer.lab.selectivity.SelectivitySettings.FeatureChoice;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Chooses the features of a class on the training images.
 *
 * @param classes names of the head's classes
 * @param tried answers of the training images, for {@link FeatureChoice#EFFECT}; null otherwise
 */
record FeatureSelection(
    SelectivitySettings settings, List<String> classes, @Nullable EditedAnswers tried) {
  /** Features that are tried for {@link FeatureChoice#EFFECT}, of each statistic. */
  private static final int CANDIDATES = 12;

  /**
   * Chosen features.
   *
   * @param aim what was maximised on the training images, where effects were tried
   */
  record ChosenFeatures(List<Integer> features, @Nullable Double aim) {
    int first() {
      return features.getFirst();
    }
  }

  /**
   * Reads the training images with an SAE.
   *
   * @param labels of their items
   */
  SaeReading read(KeptImages training, Items items, int[] labels, Sae sae) {
    ItemCodes codes = ItemCodes.of(training, sae);
    int k = classes.size();
    Map<Integer, ClassStatistics> statistics = new HashMap<>();
    if (settings.against().isEmpty()) {
      ClassStatistics all = ClassStatistics.of(codes, items, labels, k);
      for (int c = 0; c < k; c++) statistics.put(c, all);
    }
    for (String name : settings.against().isEmpty() ? List.<String>of() : settings.only()) {
      int own = classes.indexOf(name);
      int other = aimed(own);
      int[] both = Arrays.stream(labels).map(l -> l == own || l == other ? l : -1).toArray();
      statistics.put(own, ClassStatistics.of(codes, items, both, k));
    }
    return new SaeReading(sae, codes, items, labels, statistics);
  }

  /**
   * The features of a class.
   *
   * @param given the feature that was named, or null
   */
  ChosenFeatures features(int label, SaeReading choice, @Nullable Integer given) {
    if (given != null) return new ChosenFeatures(List.of(given), null);
    float[][] f1 = choice.statistics(label).f1();
    float[][] auroc = choice.statistics(label).auroc();
    if (tried == null) {
      float[][] by = settings.select() == FeatureChoice.F1 ? f1 : auroc;
      return new ChosenFeatures(List.of(ClassStatistics.best(by, label, 1)[0]), null);
    }
    int[] candidates =
        IntStream.concat(
                Arrays.stream(ClassStatistics.best(f1, label, CANDIDATES)),
                Arrays.stream(ClassStatistics.best(auroc, label, CANDIDATES)))
            .distinct()
            .toArray();
    List<Integer> set = List.of();
    double most = Double.NEGATIVE_INFINITY;
    Softened soft = Softened.of(tried.logits(new float[0], List.of()), tried.classes());
    while (set.size() < settings.size()) {
      List<Integer> better = null;
      for (int f : candidates) {
        if (set.contains(f)) continue;
        List<Integer> more = new ArrayList<>(set);
        more.add(f);
        double aim = aim(label, more, choice, tried, soft);
        if (aim > most) {
          most = aim;
          better = more;
        }
      }
      if (better == null) break;
      set = better;
    }
    return new ChosenFeatures(set, most);
  }

  /** The class that a class's targets should become, or −1. */
  private int aimed(int label) {
    if (settings.against().isEmpty()) return -1;
    int at = settings.only().indexOf(classes.get(label));
    return classes.indexOf(settings.against().get(at));
  }

  private double aim(
      int label, List<Integer> features, SaeReading choice, EditedAnswers answers, Softened soft) {
    double scale = settings.scales().getFirst();
    Move move = Move.of(features, scale, choice.sae(), choice.codes(), choice.codes());
    return soft.aim(answers.logits(move.directions(), move.shifts()), label, aimed(label));
  }
}
