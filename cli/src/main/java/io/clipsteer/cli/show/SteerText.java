// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.show;

import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.lab.index.FeatureQuery;
import io.clipsteer.lab.index.IndexFolder;
import io.clipsteer.lab.index.IndexedUnits;
import io.clipsteer.lab.run.RunFolder;
import io.clipsteer.lab.run.RunSaes;
import io.clipsteer.lab.steer.Steer;
import io.clipsteer.lab.steer.SteeredSite;
import io.clipsteer.lab.steer.Strength;
import io.clipsteer.lab.steer.UnitNumbers;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** The result of {@code steer} in words, with the features' names where the run is indexed. */
public final class SteerText {
  private final Lines text = new Lines();
  private final Steer.SteeredAnswers result;

  /** By hook point and number. */
  private final Map<String, String> names;

  public SteerText(RunFolder run, RunSaes saes, Steer.SteeredAnswers result) {
    this.result = result;
    names = names(IndexFolder.of(run), saes, result);
  }

  private static Map<String, String> names(
      IndexFolder index, RunSaes saes, Steer.SteeredAnswers result) {
    Map<String, String> names = new HashMap<>();
    if (!index.has(IndexedUnits.FEATURES)) return names;
    if (index.read(IndexedUnits.FEATURES).vocabulary() == 0) return names;
    String ids =
        Stream.concat(result.edited().stream(), result.strongest().stream())
            .map(f -> String.valueOf(f.feature()))
            .distinct()
            .collect(Collectors.joining(","));
    if (ids.isEmpty()) return names;
    String sql =
        "SELECT sae, id, coalesce(name, '%s') FROM features WHERE id IN (%s)"
            .formatted(IndexFolder.NO_NAME, ids);
    for (List<@Nullable Object> row : FeatureQuery.run(index, sql).rows()) {
      for (RunSaes.One one : saes.all()) {
        if (!one.entry().folder().equals(row.get(0))) continue;
        names.put(one.point().peerName() + " " + row.get(1), String.valueOf(row.get(2)));
      }
    }
    return names;
  }

  /**
   * The text.
   *
   * @param head its first line
   * @param edit what the units become; null where none is edited
   * @param strength in the edit; where it is in units of each unit's own activations, its value is
   *     added
   * @param spliced whether the reconstruction alone is reported as well
   */
  public String of(
      String head,
      @Nullable String edit,
      Strength strength,
      Map<HookPoint, SteeredSite> sites,
      boolean spliced) {
    text.add("%s", head);
    if (edit != null) edited(edit, strength, sites);
    text.add("before: %s%n", line(result.before()));
    // What the reconstruction does alone, so that it is not taken for the edit's effect.
    if (spliced) text.add("reconstruction: %s%n", line(result.spliced()));
    if (edit != null) after();
    strongest();
    return text.toString();
  }

  private void edited(String edit, Strength strength, Map<HookPoint, SteeredSite> sites) {
    Iterator<Steer.Activity> features = result.edited().iterator();
    // By hook point, as the features are.
    for (var one : new TreeMap<>(sites).entrySet()) {
      Iterator<Float> values = one.getValue().values(strength).iterator();
      UnitNumbers units = one.getValue().units();
      for (int k = 0; k < units.features().size(); k++) {
        Steer.Activity f = features.next();
        String name = name(f);
        text.add(
            "feature %d%s: mean activation %.3f, max %.3f; %s%n",
            f.feature(),
            name.isEmpty() ? "" : " (" + name + ")",
            f.mean(),
            f.max(),
            edit + value(strength, values.next()));
      }
      for (int neuron : units.neurons()) {
        String to = edit + value(strength, values.next());
        text.add("neuron %d at %s: %s%n", neuron, one.getKey(), to);
      }
      for (int k : units.randoms()) {
        String to = edit + value(strength, values.next());
        text.add("random direction %d at %s: %s%n", k, one.getKey(), to);
      }
    }
  }

  /** The number that a strength in a unit's own activations is; empty of a number. */
  private static String value(Strength strength, float value) {
    return strength.isOwn() ? Lines.of(" = %.3f", value) : "";
  }

  private void after() {
    text.add("after:  %s%n", line(result.after()));
    if (result.images() > 1) {
      text.add("largest rise: %s%n", line(result.promoted()));
      text.add("largest fall: %s%n", line(result.suppressed()));
    }
    if (result.curve().isEmpty()) return;
    // Of several units each has a value of its own.
    boolean single = result.curve().getFirst().values().size() == 1;
    text.add("strength%s  answers%n", single ? "     value" : "");
    for (Steer.CurvePoint point : result.curve()) {
      String value = single ? Lines.of("  %8.3f", point.values().getFirst()) : "";
      text.add("%8s%s  %s%n", point.strength(), value, line(point.followed()));
    }
  }

  private void strongest() {
    String place = "";
    for (Steer.Activity f : result.strongest()) {
      if (!f.hookPoint().equals(place)) {
        place = f.hookPoint();
        text.add("strongest features at %s%n", place);
        text.add("feature     mean      max%s%n", names.isEmpty() ? "" : "  name");
      }
      String name = name(f).isEmpty() ? "" : "  " + name(f);
      text.add("%7d  %7.2f  %7.2f%s%n", f.feature(), f.mean(), f.max(), name);
    }
  }

  private String name(Steer.Activity feature) {
    return names.getOrDefault(feature.hookPoint() + " " + feature.feature(), "");
  }

  private static String line(List<Steer.WordProbability> answers) {
    return answers.stream().map(SteerText::answer).collect(Collectors.joining(", "));
  }

  private static String answer(Steer.WordProbability answer) {
    String share = Lines.of("%s %.1f %%", answer.word(), 100 * answer.probability());
    if (answer.low() == answer.high()) return share;
    return share + Lines.of(" (%.1f–%.1f)", 100 * answer.low(), 100 * answer.high());
  }
}
