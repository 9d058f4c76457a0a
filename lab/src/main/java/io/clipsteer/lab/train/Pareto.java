// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.train;

import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.table.CsvText;
import io.clipsteer.lab.run.RunFolder;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/**
 * Sparsity against reconstruction: which of a layer's SAEs no other one beats in both, and which of
 * those is recommended. That is the knee of the front: of the SAEs between its two ends the one
 * farthest from the straight line through them, over log L0 (after Satopää et al. 2011); of one or
 * two, the sparser.
 */
public final class Pareto {
  /**
   * One SAE among its layer's.
   *
   * @param best whether no SAE of the layer is sparser and explains as much or more
   * @param recommended one of a layer
   */
  public record Rated(Training.Trained trained, boolean best, boolean recommended) {}

  private static final double WIDTH = 640;
  private static final double HEIGHT = 400;
  private static final double MARGIN = 60;
  private static final String[] COLOURS = {
    "#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#e377c2"
  };

  private Pareto() {}

  /** Every SAE in its hook point's order of L0. */
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

  private static double log(Training.Trained one) {
    return Math.log(Math.max(1e-3, l0(one)));
  }

  /** Writes {@code pareto.csv} and {@code pareto.svg}. */
  static void write(RunFolder run, List<Training.Trained> all) {
    List<Rated> rows = rows(all);
    CsvText csv =
        new CsvText(
            "hook_point",
            "sae",
            "l0",
            "explained_variance",
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
          String.format(Locale.ROOT, "%.6f", one.quality().aliveFraction()),
          String.format(Locale.ROOT, "%.6g", one.factor()),
          row.best(),
          row.recommended(),
          target(one.spec().targetL0()));
    }
    AtomicFiles.writeText(run.pareto("csv"), csv.toString());
    AtomicFiles.writeText(run.pareto("svg"), svg(rows));
  }

  private static String svg(List<Rated> rows) {
    double lowX = rows.stream().mapToDouble(r -> log(r.trained())).min().orElse(0) - 0.2;
    double highX = rows.stream().mapToDouble(r -> log(r.trained())).max().orElse(1) + 0.2;
    double lowY = rows.stream().mapToDouble(r -> explained(r.trained())).min().orElse(0);
    double highY = rows.stream().mapToDouble(r -> explained(r.trained())).max().orElse(1);
    double pad = Math.max(0.005, 0.1 * (highY - lowY));
    Plot plot = new Plot(lowX, highX, lowY - pad, highY + pad);
    StringBuilder svg = new StringBuilder();
    svg.append(
        String.format(
            Locale.ROOT,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\""
                + " font-family=\"sans-serif\" font-size=\"12\">%n"
                + "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>%n",
            WIDTH + 200,
            HEIGHT));
    plot.axes(svg);
    Map<String, List<Rated>> byPoint = new TreeMap<>();
    for (Rated row : rows) {
      byPoint
          .computeIfAbsent(row.trained().spec().point().peerName(), p -> new ArrayList<>())
          .add(row);
    }
    int colour = 0;
    for (var entry : byPoint.entrySet()) {
      plot.series(svg, entry.getKey(), entry.getValue(), colour++);
    }
    return svg.append("</svg>\n").toString();
  }

  /** Data coordinates: log L0 and explained variance. */
  private record Plot(double lowX, double highX, double lowY, double highY) {
    double x(double value) {
      return MARGIN + (value - lowX) / (highX - lowX) * (WIDTH - 2 * MARGIN);
    }

    double y(double value) {
      return HEIGHT - MARGIN - (value - lowY) / (highY - lowY) * (HEIGHT - 2 * MARGIN);
    }

    void axes(StringBuilder svg) {
      for (int i = 0; i <= 4; i++) {
        double l0 = lowX + i * (highX - lowX) / 4;
        double explained = lowY + i * (highY - lowY) / 4;
        text(
            svg,
            x(l0),
            HEIGHT - MARGIN + 18,
            "middle",
            String.format(Locale.ROOT, "%.3g", Math.exp(l0)));
        text(
            svg,
            MARGIN - 6,
            y(explained) + 4,
            "end",
            String.format(Locale.ROOT, "%.3f", explained));
        line(svg, MARGIN, y(explained), WIDTH - MARGIN, y(explained));
      }
      text(svg, WIDTH / 2, HEIGHT - 20, "middle", "L0 (active features a token, log scale)");
      text(svg, MARGIN, MARGIN - 20, "start", "explained variance");
    }

    void series(StringBuilder svg, String point, List<Rated> rows, int number) {
      String colour = COLOURS[number % COLOURS.length];
      text(svg, WIDTH, MARGIN + 18 * number, "start", point);
      circle(svg, WIDTH - 10, MARGIN - 4 + 18 * number, 5, colour, true);
      for (Rated row : rows) {
        double x = x(log(row.trained()));
        double y = y(explained(row.trained()));
        circle(svg, x, y, 5, colour, row.best());
        if (!row.recommended()) continue;
        circle(svg, x, y, 10, colour, false);
        text(svg, x + 14, y + 4, "start", row.trained().spec().variant().spelling());
      }
    }

    private static void text(StringBuilder svg, double x, double y, String anchor, String text) {
      svg.append(
          String.format(
              Locale.ROOT,
              "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>%n",
              x,
              y,
              anchor,
              text));
    }

    private static void line(StringBuilder svg, double x1, double y1, double x2, double y2) {
      svg.append(
          String.format(
              Locale.ROOT,
              "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#dddddd\"/>%n",
              x1,
              y1,
              x2,
              y2));
    }

    private static void circle(
        StringBuilder svg, double x, double y, double r, String colour, boolean filled) {
      svg.append(
          String.format(
              Locale.ROOT,
              "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.0f\" stroke=\"%s\" fill=\"%s\"/>%n",
              x,
              y,
              r,
              colour,
              filled ? colour : "none"));
    }
  }
}
