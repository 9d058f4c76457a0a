// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.show;

import io.clipsteer.data.stats.Median;
import io.clipsteer.lab.run.Counted;
import io.clipsteer.lab.run.RunFolder;
import io.clipsteer.lab.steer.BaselineComparison;
import io.clipsteer.lab.steer.Dose;
import io.clipsteer.lab.steer.Findings;
import io.clipsteer.lab.steer.Forecast;
import io.clipsteer.lab.steer.LayerResult;
import io.clipsteer.lab.steer.SteerabilityReport;
import io.clipsteer.lab.steer.SteeredUnits;
import io.clipsteer.lab.steer.Strength;
import io.clipsteer.lab.steer.VocabularyResult;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/** A steerability report in words. */
public final class SteerabilityText {
  private final Lines text = new Lines();
  private final SteerabilityReport report;

  /** Layers with more than one SAE, whose results a layer's number does not tell apart. */
  private final Set<Integer> shared;

  private SteerabilityText(SteerabilityReport report) {
    this.report = report;
    shared = shared(report.layers());
  }

  /**
   * The text.
   *
   * @param out where the tables are
   */
  public static String of(SteerabilityReport report, Object out) {
    SteerabilityText whole = new SteerabilityText(report);
    whole.text.add(
        "%s, %s, tau %s; tables in %s%n",
        Counted.of(report.images(), "image"),
        Counted.of(report.words(), "word"),
        report.settings().tau(),
        out);
    for (Strength set : report.settings().set()) whole.layers(set);
    whole.comparisons();
    whole.doses();
    whole.vocabularies();
    if (report.findings() != null) whole.findings(report.findings());
    return whole.text.toString();
  }

  /** How wide the widest interval of a share above tau will be, and how many images it takes. */
  public static String forecast(List<Forecast> forecasts) {
    Forecast widest = Collections.max(forecasts, Comparator.comparingDouble(Forecast::width));
    String width =
        Lines.of(
            "95 %% intervals of the share above tau will be about %.0f points wide or less (widest:"
                + " %s of %s)",
            100 * widest.width(), widest.kind(), widest.place());
    if (widest.width() <= Forecast.WANTED) return width;
    if (widest.images() == null)
      return width + "; 10 points need more units (--sample, --random-count)";
    return width + "; 10 points need about " + Counted.of(widest.images(), "image");
  }

  private void layers(Strength set) {
    text.add("%nset to %s%s%n", set, set.isOwn() ? " (of each unit's largest activation)" : "");
    text.add(
        "layer  unit           n   mean S   S > tau              coverage   norm  nearest"
            + "  seconds%n");
    for (LayerResult layer : report.layers()) {
      if (!layer.set().equals(set)) continue;
      boolean named = shared.contains(layer.layer()) && !layer.sae().isEmpty();
      text.add(
          "%5d  %-9s %6d  %7.5f  %5.1f %% (%4.1f–%5.1f)  %8d  %5.2f  %7.2f  %7.1f%s%n",
          layer.layer(),
          layer.unit(),
          layer.n(),
          layer.meanUnbiased(),
          100 * layer.share().value(),
          100 * layer.share().low(),
          100 * layer.share().high(),
          layer.coverage(),
          layer.norm(),
          layer.nearest(),
          layer.seconds(),
          named ? "  " + RunFolder.name(layer.sae()) : "");
    }
  }

  /** Where features do not steer more than a baseline, in words. */
  private void comparisons() {
    if (report.comparisons().isEmpty()) return;
    long more = report.comparisons().stream().filter(BaselineComparison::isMore).count();
    text.add(
        "%nfeatures steer more than neurons or random directions in %d of %d comparisons of mean S"
            + " (bootstrap over images, Holm, p ≤ 0.05)",
        more, report.comparisons().size());
    for (BaselineComparison one : report.comparisons()) {
      if (one.isMore()) continue;
      text.add(
          "%n%s set to %s: features do not steer more than %s: mean S %.5f against %.5f,"
              + " difference %.5f (%.5f to %.5f), p %s",
          site(one.layer(), one.sae()),
          one.set(),
          one.baseline() == SteeredUnits.UnitKind.RANDOM ? "random directions" : one.baseline(),
          one.meanFeatures(),
          one.meanBaseline(),
          one.difference(),
          one.low(),
          one.high(),
          Lines.of("%.2g", one.pHolm()));
    }
  }

  private void doses() {
    for (LayerResult layer : report.layers()) {
      if (layer.doses().isEmpty()) continue;
      Median half = Median.of(layer.doses().stream().mapToDouble(Dose::half).toArray());
      text.add(
          "%n%s: half the effect at strength %.1f (%.1f–%.1f)%s, median of %s",
          site(layer.layer(), layer.sae()),
          half.value(),
          half.low(),
          half.high(),
          layer.set().isOwn() ? " times the largest activation" : "",
          Counted.of(half.n(), "feature"));
    }
  }

  private void vocabularies() {
    for (VocabularyResult one : report.vocabularies()) {
      text.add(
          "%n%s (%s), %s, %s: mean S %.4f, S > tau %.1f %%, coverage %d, rank correlation with all"
              + " words %.2f (%.2f–%.2f)",
          Counted.of(one.words(), "word"),
          one.draw(),
          site(one.part().layer(), one.part().sae()),
          one.part().unit(),
          one.part().meanS(),
          100 * one.part().shareAboveTau(),
          one.part().coverage(),
          one.whole().value(),
          one.whole().low(),
          one.whole().high());
    }
  }

  private void findings(Findings findings) {
    for (Findings.Named named : findings.names()) {
      if (named.first() == null
          || named.among() == null
          || named.raised() == null
          || named.chance() == null) {
        continue;
      }
      text.add(
          "%n%s: %d steerable features have a clear name, or a word that steering raised, in the"
              + " vocabulary. Setting one promotes it: top-1 %.0f %%, top-5 %.0f %% (%.0f–%.0f),"
              + " increased %.0f %% (%.0f–%.0f; chance %.0f %%)",
          site(named.layer(), named.sae()),
          named.first().n(),
          100 * named.first().value(),
          100 * named.among().value(),
          100 * named.among().low(),
          100 * named.among().high(),
          100 * named.raised().value(),
          100 * named.raised().low(),
          100 * named.raised().high(),
          100 * named.chance());
    }
    for (Findings.Local local : findings.locality()) {
      text.add(
          "%n%s: rank correlation of S with the share of the grid a feature covers %.2f"
              + " (%.2f–%.2f), %s",
          site(local.layer(), local.sae()),
          local.correlation().value(),
          local.correlation().low(),
          local.correlation().high(),
          Counted.of(local.features(), "feature"));
    }
  }

  private static Set<Integer> shared(List<LayerResult> layers) {
    Map<Integer, Set<String>> saes = new TreeMap<>();
    for (LayerResult layer : layers) {
      if (layer.sae().isEmpty()) continue;
      saes.computeIfAbsent(layer.layer(), l -> new TreeSet<>()).add(layer.sae());
    }
    saes.values().removeIf(names -> names.size() < 2);
    return saes.keySet();
  }

  /** A layer in words, with the SAE's name where the layer has more than one. */
  private String site(int layer, String sae) {
    boolean named = shared.contains(layer) && !sae.isEmpty();
    return "layer " + layer + (named ? " (" + RunFolder.name(sae) + ")" : "");
  }
}
