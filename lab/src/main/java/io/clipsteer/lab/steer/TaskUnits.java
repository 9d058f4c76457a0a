// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import io.clipsteer.data.InputException;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.lab.index.UnitRange;
import io.clipsteer.lab.run.RunSaes;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Which units a measurement has.
 *
 * @param known features in an index, by SAE; empty without an index
 */
record TaskUnits(
    RunSaes saes,
    SteerabilitySettings settings,
    Map<String, Map<Integer, Findings.IndexedFeature>> known) {

  /**
   * The tasks at hook points.
   *
   * @param tag begins the names of files
   * @param points in the tower's order
   */
  List<UnitTask> tasks(String tag, List<HookPoint> points) {
    List<UnitTask> tasks = new ArrayList<>();
    for (HookPoint point : points) {
      for (Strength set : settings.set()) tasks.addAll(tasks(tag, point, set));
    }
    return tasks;
  }

  private List<UnitTask> tasks(String tag, HookPoint point, Strength set) {
    List<UnitTask> tasks = new ArrayList<>();
    for (SteeredUnits.UnitKind kind : settings.kinds()) {
      for (RunSaes.One one : saes.all()) {
        if (!one.point().equals(point)) continue;
        tasks.add(new UnitTask(tag, one, kind, set));
        // Neurons and random directions belong to the hook point, not to one SAE.
        if (kind != SteeredUnits.UnitKind.FEATURES) break;
      }
    }
    return tasks;
  }

  /** How many units a task has; the images need not be read for it. */
  int count(UnitTask what) {
    return switch (what.kind()) {
      case FEATURES -> features(what.one(), what.set()).length;
      case NEURONS -> what.one().sae().width();
      case RANDOM -> settings.randoms();
    };
  }

  /**
   * The units of a task.
   *
   * @param maxima largest value of every coordinate on the images
   */
  SteeredUnits units(UnitTask what, double[] maxima) {
    Sae sae = what.one().sae();
    Strength set = what.set();
    return switch (what.kind()) {
      case FEATURES -> features(what.one(), set, features(what.one(), set));
      case NEURONS ->
          new SteeredUnits.NeuronUnits(
              Arrays.stream(maxima).map(max -> set.of(new UnitRange(max, List.of()))).toArray());
      case RANDOM -> {
        if (set.isOwn()) {
          int[] ids = features(what.one(), set);
          int[] order = SteerabilityRun.shuffled(ids.length, settings.seed());
          int[] like = new int[settings.randoms()];
          for (int k = 0; k < like.length; k++) like[k] = ids[order[k % ids.length]];
          yield new SteeredUnits.PairedUnits(features(what.one(), set, like), settings.seed());
        }
        yield new SteeredUnits.RandomUnits(
            settings.randoms(),
            sae.width(),
            SteeredUnits.decoderLength(sae),
            sae.normalisation(),
            set.number(),
            settings.seed());
      }
    };
  }

  private SteeredUnits.FeatureUnits features(RunSaes.One one, Strength set, int[] ids) {
    double[] strengths = Arrays.stream(ids).mapToDouble(id -> set.of(range(one, id))).toArray();
    return new SteeredUnits.FeatureUnits(one.sae(), ids, strengths);
  }

  /**
   * All features of an SAE or a random sample, rising; for strengths in their own units those that
   * were ever active.
   */
  private int[] features(RunSaes.One one, Strength set) {
    int all = one.sae().features();
    int sample = settings.sample() == 0 ? all : Math.min(settings.sample(), all);
    int[] ids =
        Arrays.stream(SteerabilityRun.shuffled(all, settings.seed()))
            .limit(sample)
            .sorted()
            .filter(id -> !set.isOwn() || range(one, id).max() > 0)
            .toArray();
    if (ids.length == 0) {
      throw new InputException(
          one.entry().folder(), "no feature was active on the index's images", "Index more images");
    }
    return ids;
  }

  /** The range of a feature in the index; of one that is not there, none. */
  UnitRange range(RunSaes.One one, int id) {
    Findings.IndexedFeature feature = known.getOrDefault(one.entry().folder(), Map.of()).get(id);
    return feature == null ? new UnitRange(0, List.of()) : feature.range();
  }

  /** Rows of the names of an SAE's features. */
  Map<Integer, Integer> names(String sae) {
    Map<Integer, Integer> names = new HashMap<>();
    known
        .getOrDefault(sae, Map.of())
        .forEach(
            (id, feature) -> {
              if (feature.name() >= 0) names.put(id, feature.name());
            });
    return names;
  }
}
