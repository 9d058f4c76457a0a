// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.selectivity;

import io.clipsteer.lab.probe.ImageInterval;
import io.clipsteer.lab.selectivity.ClassEffect.ControlEffect;
import io.clipsteer.lab.selectivity.ClassEffect.ControlKind;
import io.clipsteer.lab.selectivity.FeatureSelection.ChosenFeatures;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * The edits of one class's features, and their controls.
 *
 * @param answers of the images of the evaluation
 * @param codes of the same images
 * @param labels of their items
 * @param selection of features
 * @param controls of the training images
 */
record ClassStudy(
    EditedAnswers answers,
    ItemCodes codes,
    ItemLabels labels,
    FeatureSelection selection,
    ControlDirections controls) {
  private static final int DESTINATIONS = 5;

  /** Draws what an edit changes. */
  @FunctionalInterface
  interface MapDrawer {
    /**
     * Draws.
     *
     * @param own the feature's changes, by image
     * @param after the answers
     */
    ClassEffect.@Nullable MapExample draw(int label, double scale, ItemChange own, int[] after);
  }

  /** The effects on a class, one for each scale; p is not adjusted yet. */
  List<ClassEffect> effects(int label, MapDrawer drawer) {
    SelectivitySettings settings = selection.settings();
    SaeReading read = controls.read();
    ChosenFeatures chosen = selection.features(label, read, settings.feature());
    int other = selection.features(label, controls.untrained(), null).first();
    Map<ControlKind, List<float[]>> beside = controls.of(label, chosen.features(), other);
    List<float[]> directions = new ArrayList<>();
    beside.values().forEach(directions::addAll);
    int d = read.sae().width();
    float[] all = new float[directions.size() * d];
    for (int k = 0; k < directions.size(); k++) {
      System.arraycopy(directions.get(k), 0, all, k * d, d);
    }
    List<ClassEffect> effects = new ArrayList<>();
    for (double scale : settings.scales()) {
      Move move = Move.of(chosen.features(), scale, read.sae(), read.codes(), codes);
      boolean[] active = active(codes, chosen.features(), answers.items());
      int[] after = answers.together(move.directions(), move.shifts());
      List<ItemChange> changes = new ArrayList<>();
      for (int k = 0; k <= directions.size(); k++) changes.add(changed(label, active, after));
      answers.under(
          all, move.lengths(), (k, moved) -> changes.set(k + 1, changed(label, active, moved)));
      var example = drawer.draw(label, scale, changes.getFirst(), after);
      effects.add(effect(label, chosen, scale, changes, after, beside, example));
    }
    return effects;
  }

  private ItemChange changed(int label, boolean[] active, int[] after) {
    return ItemChange.of(answers.items(), answers.before(), after, active, label);
  }

  private ClassEffect effect(
      int label,
      ChosenFeatures chosen,
      double scale,
      List<ItemChange> changes,
      int[] after,
      Map<ControlKind, List<float[]>> directions,
      ClassEffect.@Nullable MapExample example) {
    int feature = chosen.first();
    SaeReading read = controls.read();
    ItemChange own = changes.getFirst();
    int images = answers.items().images();
    int[] once = ones(images);
    double difference = own.difference(once);
    Map<ControlKind, ControlEffect> beside = new EnumMap<>(ControlKind.class);
    int at = 1;
    int better = 0;
    int draws = 0;
    for (var kind : directions.entrySet()) {
      int n = kind.getValue().size();
      List<ItemChange> mine = changes.subList(at, at + n);
      at += n;
      double[] differences = mine.stream().mapToDouble(c -> c.difference(once)).toArray();
      beside.put(
          kind.getKey(),
          new ControlEffect(
              n,
              mine.stream().mapToDouble(c -> c.target(once)).average().orElse(0),
              mine.stream().mapToDouble(c -> c.other(once)).average().orElse(0),
              Arrays.stream(differences).average().orElse(0),
              Arrays.stream(differences).max().orElse(0)));
      if (!kind.getKey().isRandom()) continue;
      draws += n;
      better += (int) Arrays.stream(differences).filter(x -> x >= difference).count();
    }
    int[] before = answers.before();
    boolean whole = answers.items().each() == 1;
    SelectivitySettings settings = selection.settings();
    int k = selection.classes().size();
    return new ClassEffect(
        selection.classes().get(label),
        chosen.features(),
        read.statistics(label).f1()[feature][label],
        read.statistics(label).auroc()[feature][label],
        chosen.aim(),
        scale,
        scale * read.codes().max(feature),
        Arrays.stream(own.target()).asLongStream().sum(),
        (int) Arrays.stream(own.target()).filter(n -> n > 0).count(),
        ImageInterval.of(images, settings.seed(), own::target),
        own.other(once),
        finite(own.otherOn(once)),
        finite(own.otherOff(once)),
        ImageInterval.of(images, settings.seed(), own::difference),
        labels.score(before, k, whole),
        labels.score(after, k, whole),
        destinations(label, before, after),
        beside,
        better + 1,
        (better + 1.0) / (draws + 1),
        null,
        example);
  }

  private static @Nullable Double finite(double value) {
    return Double.isFinite(value) ? value : null;
  }

  private List<ClassEffect.Destination> destinations(int label, int[] before, int[] after) {
    int[] counts = new int[selection.classes().size()];
    int all = 0;
    for (int i = 0; i < before.length; i++) {
      if (before[i] != label) continue;
      all++;
      if (after[i] != label) counts[after[i]]++;
    }
    double targets = all;
    return IntStream.range(0, counts.length)
        .boxed()
        .filter(c -> counts[c] > 0)
        .sorted(Comparator.comparingInt(c -> -counts[c]))
        .limit(DESTINATIONS)
        .map(c -> new ClassEffect.Destination(selection.classes().get(c), counts[c] / targets))
        .toList();
  }

  private static boolean[] active(ItemCodes codes, List<Integer> features, Items items) {
    boolean[] active = new boolean[items.count()];
    for (int feature : features) {
      for (int e = codes.starts()[feature]; e < codes.starts()[feature + 1]; e++) {
        int item = items.of(codes.tokens()[e]);
        if (item >= 0) active[item] = true;
      }
    }
    return active;
  }

  private static int[] ones(int n) {
    int[] ones = new int[n];
    Arrays.fill(ones, 1);
    return ones;
  }
}
