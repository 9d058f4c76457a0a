// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.train;

import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.table.CsvText;
import io.clipsteer.lab.run.RunFolder;
import io.clipsteer.lab.run.VarianceForms;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The Pareto front of sparsity and reconstruction among a layer's SAEs, and the SAE recommended
 * from it. That is the front's knee: the SAE farthest from the straight line through the front's
 * two ends, over log L0 (after Satopää et al. 2011); of one or two SAEs, the sparser.
 */
public final class Pareto {
  /**
   * One SAE among its layer's.
   *
   * @param best whether no SAE of the layer is sparser and explains as much or more
   * @param recommended one of a layer
   */
  public record Rated(Training.Trained trained, boolean best, boolean recommended) {}

  private Pareto() {}

  /** Every SAE, by hook point, then by L0. */
  public static List<Rated> rows(List<Training.Trained> all) {
    Map<String, List<Training.Trained>> byPoint = new LinkedHashMap<>();
    for (Training.Trained one : all) {
      byPoint.computeIfAbsent(one.spec().point().peerName(), p -> new ArrayList<>()).add(one);
    }
    List<Rated> rows = new ArrayList<>();
    byPoint.values().forEach(one -> rows.addAll(ofOnePoint(one)));
    return rows;
  }

  private static List<Rated> ofOnePoint(List<Training.Trained> all) {
    List<Training.Trained> sorted =
        all.stream()
            .sorted(
                Comparator.comparingDouble(Pareto::l0)
                    .thenComparing(Comparator.comparingDouble(Pareto::explained).reversed()))
            .toList();
    List<Training.Trained> front = new ArrayList<>();
    for (Training.Trained one : sorted) {
      if (front.isEmpty() || explained(one) > explained(front.getLast())) front.add(one);
    }
    Training.Trained knee = knee(front);
    return sorted.stream().map(one -> new Rated(one, front.contains(one), one == knee)).toList();
  }

  private static Training.Trained knee(List<Training.Trained> front) {
    Training.Trained first = front.getFirst();
    Training.Trained last = front.getLast();
    double slope = (explained(last) - explained(first)) / Math.max(1e-12, log(last) - log(first));
    Training.Trained best = first;
    double most = 0;
    for (Training.Trained one : front) {
      double above = explained(one) - explained(first) - slope * (log(one) - log(first));
      if (above > most + 1e-12) {
        most = above;
        best = one;
      }
    }
    return best;
  }

  /** Empty without one. */
  private static String target(double l0) {
    return l0 > 0 ? BigDecimal.valueOf(l0).stripTrailingZeros().toPlainString() : "";
  }

  private static double l0(Training.Trained one) {
    return one.quality().l0();
  }

  private static double explained(Training.Trained one) {
    return one.quality().explainedVariance();
  }

  private static VarianceForms variance(Training.Trained one) {
    return Objects.requireNonNull(one.quality().variance());
  }

  /** Empty for null. */
  private static String number(@Nullable Double value) {
    return value == null ? "" : String.format(Locale.ROOT, "%.6f", value);
  }

  private static double log(Training.Trained one) {
    return Math.log(Math.max(1e-3, l0(one)));
  }

  /** Writes {@code pareto.csv}. */
  static void write(RunFolder run, List<Training.Trained> all) {
    List<Rated> rows = rows(all);
    CsvText csv =
        new CsvText(
            "hook_point",
            "sae",
            "l0",
            "explained_variance",
            "token_mean",
            "token_median",
            "ordinary",
            "massive_tokens",
            "top_share",
            "alive_fraction",
            "penalty_factor",
            "front",
            "recommended",
            "target_l0");
    for (Rated row : rows) {
      Training.Trained one = row.trained();
      csv.row(
          one.spec().point().peerName(),
          one.spec().name(),
          String.format(Locale.ROOT, "%.4f", l0(one)),
          String.format(Locale.ROOT, "%.6f", explained(one)),
          number(variance(one).tokenMean()),
          number(variance(one).tokenMedian()),
          number(variance(one).ordinary()),
          number(variance(one).massiveTokens()),
          number(variance(one).topShare()),
          String.format(Locale.ROOT, "%.6f", one.quality().aliveFraction()),
          String.format(Locale.ROOT, "%.6g", one.factor()),
          row.best(),
          row.recommended(),
          target(one.spec().targetL0()));
    }
    AtomicFiles.writeText(run.pareto(), csv.toString());
  }
}
