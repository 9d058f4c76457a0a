// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.show;

import io.clipsteer.lab.evaluate.SparsityReport;
import io.clipsteer.lab.run.Counted;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** The images of a sparsity report as inline SVG; colours come from the page's style. */
final class EvaluationCharts {
  private static final int WIDTH = 460;
  private static final int HEIGHT = 260;
  private static final int LEFT = 46;
  private static final int RIGHT = 16;
  private static final int TOP = 22;
  private static final int BOTTOM = 38;

  private EvaluationCharts() {}

  /**
   * From numbers to places in the drawing, along one axis.
   *
   * @param low at {@code start}
   * @param high at {@code end}
   * @param step between marks
   */
  private record Axis(double low, double high, double step, double start, double end) {
    /** Powers of ten around positive values; places are those of the logarithms. */
    static Axis decades(double min, double max, double start, double end) {
      double low = Math.floor(Math.log10(min));
      return new Axis(low, Math.max(low + 1, Math.ceil(Math.log10(max))), 1, start, end);
    }

    /** Round marks around the values from {@code min} to {@code max}, about five of them. */
    static Axis around(double min, double max, double start, double end) {
      double span = max > min ? max - min : Math.max(Math.abs(max), 1) * 0.1;
      double power = Math.pow(10, Math.floor(Math.log10(span / 4)));
      double share = span / 4 / power;
      double step = power * (share > 5 ? 10 : share > 2 ? 5 : share > 1 ? 2 : 1);
      double low = Math.floor(min / step) * step;
      double high = Math.ceil(max / step) * step;
      if (low == high) high = low + step;
      return new Axis(low, high, step, start, end);
    }

    double at(double value) {
      return start + (value - low) / (high - low) * (end - start);
    }

    int marks() {
      return (int) Math.round((high - low) / step) + 1;
    }

    double mark(int i) {
      return low + i * step;
    }

    String label(double value) {
      int digits = (int) Math.clamp(-Math.floor(Math.log10(step) + 1e-9), 0, 6);
      return String.format(Locale.ROOT, "%,." + digits + "f", value + 0.0);
    }
  }

  private static String svg(int width, int height, String label, String body) {
    return """
    <svg viewBox="0 0 %d %d" role="img" aria-label="%s">%s</svg>
    """
        .formatted(width, height, label, body);
  }

  private static void add(StringBuilder to, String format, @Nullable Object... values) {
    to.append(String.format(Locale.ROOT, format, values));
  }

  /** A power of ten in digits. */
  private static String plain(double power) {
    int digits = (int) Math.max(0, -Math.round(Math.log10(power)));
    return String.format(Locale.ROOT, "%,." + digits + "f", power);
  }

  /** Grid lines with numbers, and what they count. */
  private static void axes(StringBuilder to, Axis x, Axis y, String below, String above) {
    boolean decades = below.endsWith("powers of ten");
    for (int i = 0; i < y.marks(); i++) {
      double at = y.at(y.mark(i));
      add(to, "<line class='axis' x1='%d' x2='%d'", LEFT, WIDTH - RIGHT);
      add(to, " y1='%.1f' y2='%.1f'/>", at, at);
      add(to, "<text x='%d' y='%.1f' text-anchor='end'>", LEFT - 6, at + 4);
      add(to, "%s</text>", y.label(y.mark(i)));
    }
    for (int i = 0; i < x.marks(); i++) {
      add(to, "<text x='%.1f' y='%d'", x.at(x.mark(i)), HEIGHT - BOTTOM + 16);
      double mark = decades ? Math.pow(10, x.mark(i)) : x.mark(i);
      add(to, " text-anchor='middle'>%s</text>", decades ? plain(mark) : x.label(mark));
    }
    add(to, "<text x='%d' y='%d' text-anchor='end'>", WIDTH - RIGHT, HEIGHT - 6);
    add(to, "%s</text><text x='0' y='10'>%s</text>", below, above);
  }

  /**
   * Explained variance over L0, a point an SAE, with its layer beside it where there is room. The
   * axis ends at 0: an SAE below that, worse than the mean, sits on the floor with its number.
   */
  static String frontier(List<SparsityReport.MeasuredSae> saes) {
    List<SparsityReport.MeasuredSae> known =
        saes.stream()
            .filter(e -> e.sparsity().explainedVariance() != null && e.sparsity().l0() > 0)
            .toList();
    if (known.isEmpty()) return "";
    double least = known.stream().mapToDouble(e -> e.sparsity().l0()).min().orElse(1);
    double most = known.stream().mapToDouble(e -> e.sparsity().l0()).max().orElse(1);
    boolean wide = most > 10 * least;
    Axis x =
        wide
            ? Axis.decades(least, most, LEFT, WIDTH - RIGHT)
            : Axis.around(least, most, LEFT, WIDTH - RIGHT);
    double worst = known.stream().mapToDouble(EvaluationCharts::variance).min().orElse(0);
    double best = known.stream().mapToDouble(EvaluationCharts::variance).max().orElse(1);
    Axis y = Axis.around(Math.max(0, worst), Math.max(0, best), HEIGHT - BOTTOM, TOP);
    var body = new StringBuilder();
    axes(body, x, y, wide ? "L0, powers of ten" : "L0", "explained variance");
    var labels = new StringBuilder();
    List<double[]> taken = new ArrayList<>();
    for (var entry : known) {
      double ev = variance(entry);
      double px = x.at(wide ? Math.log10(entry.sparsity().l0()) : entry.sparsity().l0());
      double py = y.at(Math.max(0, ev));
      add(body, "<circle class='one' cx='%.1f' cy='%.1f' r='5'>", px, py);
      String name = EvaluationPage.escape(EvaluationText.name(entry));
      add(body, "<title>%s: L0 %.1f, %.4f</title></circle>", name, entry.sparsity().l0(), ev);
      String label = "layer " + entry.sae().point().layer();
      if (ev < 0) label += String.format(Locale.ROOT, " (%.1f)", ev);
      label(labels, taken, px, py, label);
    }
    return svg(WIDTH, HEIGHT, "Explained variance over L0", body.append(labels).toString());
  }

  /** Beside a point, above or below it, where no other label is; else nowhere. */
  private static void label(
      StringBuilder body, List<double[]> taken, double px, double py, String label) {
    double width = 6.2 * label.length();
    double left = px + 9 + width > WIDTH ? px - 9 - width : px + 9;
    for (double top : new double[] {py - 6, py - 18, py + 6}) {
      boolean free = top > TOP - 14 && top + 12 < HEIGHT - BOTTOM + 8;
      for (double[] box : taken) {
        boolean apart = left > box[0] + box[2] || box[0] > left + width;
        if (!apart && Math.abs(top - box[1]) < 12) free = false;
      }
      if (!free) continue;
      taken.add(new double[] {left, top, width});
      add(body, "<text class='mark' x='%.1f' y='%.1f'>%s</text>", left, top + 10, label);
      return;
    }
  }

  private static double variance(SparsityReport.MeasuredSae entry) {
    Double variance = entry.sparsity().explainedVariance();
    return variance == null ? Double.NaN : variance;
  }

  /** L0 of class tokens and of patches over the layers, or of what else the words say. */
  static String layers(List<SparsityReport.MeasuredSae> saes, ReportWords words) {
    double most = 0;
    int first = Integer.MAX_VALUE;
    int last = 0;
    for (var entry : saes) {
      Double cls = entry.sparsity().l0Cls();
      Double patches = entry.sparsity().l0Patches();
      most = Math.max(most, Math.max(cls == null ? 0 : cls, patches == null ? 0 : patches));
      first = Math.min(first, entry.sae().point().layer());
      last = Math.max(last, entry.sae().point().layer());
    }
    double step = Math.ceil((last - first + 1) / 12.0);
    double end = first + step * Math.ceil(Math.max(1, last - first) / step);
    Axis x = new Axis(first, end, step, LEFT + 12, WIDTH - RIGHT - 12);
    Axis y = Axis.around(0, most, HEIGHT - BOTTOM, TOP);
    var body = new StringBuilder();
    axes(body, x, y, "layer", "L0");
    for (var entry : saes) {
      // The ring is wider than the disc: neither hides the other where they are equal.
      point(body, x, y, entry, entry.sparsity().l0Patches(), "one", words.others());
      point(body, x, y, entry, entry.sparsity().l0Cls(), "ring", words.speaker());
    }
    return svg(WIDTH, HEIGHT, "L0 by layer", body.toString());
  }

  private static void point(
      StringBuilder body,
      Axis x,
      Axis y,
      SparsityReport.MeasuredSae entry,
      @Nullable Double l0,
      String kind,
      String what) {
    if (l0 == null) return;
    add(body, "<circle class='%s' r='%s'", kind, kind.equals("ring") ? "6.5" : "4");
    add(body, " cx='%.1f' cy='%.1f'>", x.at(entry.sae().point().layer()), y.at(l0));
    String name = EvaluationPage.escape(EvaluationText.name(entry));
    add(body, "<title>%s, %s: %.1f</title></circle>", name, what, l0);
  }

  /**
   * L0 as shades over the patch grid, the palest the smallest of this SAE, the darkest its largest.
   *
   * @param grid [rows][columns]
   */
  static String map(double[][] grid, ReportWords words) {
    double least = Double.POSITIVE_INFINITY;
    double most = 0;
    for (double[] row : grid) {
      for (double cell : row) {
        least = Math.min(least, cell);
        most = Math.max(most, cell);
      }
    }
    int side = 200;
    double cell = (double) side / Math.max(grid.length, grid[0].length);
    double gap = cell > 10 ? 1.5 : 0.5;
    var body = new StringBuilder();
    for (int r = 0; r < grid.length; r++) {
      for (int c = 0; c < grid[r].length; c++) {
        double share = most > least ? (grid[r][c] - least) / (most - least) : 0.5;
        add(body, "<rect class='cell' x='%.2f' y='%.2f'", c * cell, r * cell);
        add(body, " width='%.2f' height='%.2f'", cell - gap, cell - gap);
        add(body, " fill-opacity='%.3f'><title>", 0.08 + 0.92 * share);
        add(body, words.place() + ": %.2f</title></rect>", r, c, grid[r][c]);
      }
    }
    double under = grid.length * cell + 8;
    if (most == least) {
      add(body, "<text x='0' y='%.1f'>%.1f everywhere</text>", under + 9, most);
      return svg(side, (int) Math.ceil(under + 14), words.map(), body.toString());
    }
    int shades = 22;
    for (int i = 0; i < shades; i++) {
      add(body, "<rect class='cell' shape-rendering='crispEdges' x='%d'", 45 + i * 5);
      add(body, " y='%.1f' width='5' height='9'", under);
      add(body, " fill-opacity='%.3f'/>", 0.08 + 0.92 * i / (shades - 1));
    }
    add(body, "<text x='38' y='%.1f' text-anchor='end'>%.1f</text>", under + 9, least);
    add(body, "<text x='162' y='%.1f'>%.1f</text>", under + 9, most);
    return svg(side, (int) Math.ceil(under + 14), words.map(), body.toString());
  }

  /**
   * Features by frequency, on a logarithmic axis that ends at 1; never active ones are not drawn.
   *
   * @param from first decade shown, such as −4
   */
  static String histogram(SparsityReport.Histogram histogram, int from) {
    int wide = 300;
    int high = 190;
    double floor = high - 22;
    long most = 1;
    for (long count : histogram.counts()) most = Math.max(most, count);
    Axis x = new Axis(from, 0, 1, 38, wide - 6);
    Axis y = Axis.around(0, most, floor, TOP);
    var body = new StringBuilder();
    for (int i = 0; i < y.marks(); i++) {
      if (y.mark(i) != Math.rint(y.mark(i))) continue;
      double at = y.at(y.mark(i));
      add(body, "<line class='axis' x1='%d' x2='%d'", 38, wide - 6);
      add(body, " y1='%.1f' y2='%.1f'/>", at, at);
      add(body, "<text x='%d' y='%.1f' text-anchor='end'>", 32, at + 4);
      add(body, "%,.0f</text>", y.mark(i));
    }
    for (int decade = from; decade <= 0; decade++) {
      add(body, "<text x='%.1f' y='%d' text-anchor='middle'>", x.at(decade), high - 6);
      if (decade == 0) add(body, "1</text>");
      else add(body, "10<tspan dy='-4' font-size='8'>−%d</tspan></text>", -decade);
    }
    for (int i = 0; i < histogram.counts().length; i++) {
      long count = histogram.counts()[i];
      if (count == 0) continue;
      double left = x.at(histogram.bins()[i]);
      double right = x.at(histogram.bins()[i + 1]);
      add(body, "<rect class='bar' x='%.2f' y='%.2f'", left + 0.5, y.at(count));
      add(body, " width='%.2f' height='%.2f'>", right - left - 1, floor - y.at(count));
      add(body, "<title>%s</title></rect>", Counted.of(count, "feature"));
    }
    double dense = x.at(-1);
    add(body, "<line class='limit' x1='%.1f' x2='%.1f'", dense, dense);
    add(body, " y1='%d' y2='%.1f'/>", TOP - 6, floor);
    add(body, "<text x='%.1f' y='%d'>dense</text>", dense + 4, TOP - 2);
    add(body, "<text x='0' y='10'>features</text>");
    return svg(wide, high, "Features by frequency", body.toString());
  }
}
