// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.show;

import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.lab.evaluate.SparsityReport;
import io.clipsteer.lab.run.Counted;
import io.clipsteer.lab.run.RunFolder;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * A sparsity report as one HTML file: no script, nothing loaded from elsewhere, light and dark as
 * the reader's system says.
 */
public final class EvaluationPage {
  private static final String MARK = "<!DOCTYPE html><!-- clipsteer evaluate -->";

  private final StringBuilder html = new StringBuilder();
  private final ReportWords words;

  private EvaluationPage(ReportWords words) {
    this.words = words;
  }

  /** Refuses a run folder whose {@code evaluation.html} is not one that was written here. */
  public static void checkWritable(RunFolder run) {
    Path file = run.evaluationPage();
    if (!Files.exists(file, LinkOption.NOFOLLOW_LINKS)) return;
    try (InputStream in = Files.newInputStream(file)) {
      byte[] mark = MARK.getBytes(StandardCharsets.UTF_8);
      if (Files.isRegularFile(file) && Arrays.equals(mark, in.readNBytes(mark.length))) {
        return;
      }
    } catch (IOException e) {
      // A folder, or unreadable: in the way as well.
    }
    throw new InputException(
        file, "is in the way: it is no page of clipsteer's", "Move it elsewhere");
  }

  /** Writes {@code evaluation.html}: whole or not at all, over an earlier one only. */
  public static void write(RunFolder run, SparsityReport report) {
    checkWritable(run);
    AtomicFiles.writeText(run.evaluationPage(), of(run.path(), report));
  }

  /** The page. */
  static String of(Path run, SparsityReport report) {
    var page = new EvaluationPage(ReportWords.of(report));
    Path name = run.toAbsolutePath().normalize().getFileName();
    String title = "Sparsity and reconstruction: " + escape(String.valueOf(name));
    page.add("%s%n<html lang='en'><head><meta charset='utf-8'/>", MARK);
    page.add("<meta name='viewport' content='width=device-width, initial-scale=1'/>");
    page.add("<title>%s</title><style>%n%s</style></head><body>%n", title, style());
    page.add("<h1>%s</h1>", title);
    page.add(
        "<p class='muted path'>%s of %s",
        Counted.of(report.images(), page.words.unit()), escape(report.source()));
    page.add(", model %s", escape(report.model()));
    if (!report.skipped().isEmpty()) page.add("; %,d not decoded", report.skipped().size());
    page.add("</p>%n");
    for (String note : report.notes()) page.add("<p class='note'>%s.</p>%n", escape(note));
    page.sparsity(report.saes());
    page.overview(report.saes());
    page.answers(report.saes());
    page.legacy(report.saes());
    page.cards(report.saes());
    page.meanings();
    page.add("</body></html>%n");
    return page.html.toString();
  }

  /** Text that may stand in an element or an attribute. */
  static String escape(String text) {
    return text.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace("\"", "&quot;")
        .replace("'", "&#39;");
  }

  private static String style() {
    try (InputStream in = EvaluationPage.class.getResourceAsStream("evaluation.css")) {
      if (in == null) throw new IllegalStateException("evaluation.css is not in the program");
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void add(String format, @Nullable Object... values) {
    html.append(String.format(Locale.ROOT, format, values));
  }

  /** Opens a table in a card. */
  private void table(String... heads) {
    add("<div class='card wide'><table><thead><tr>");
    for (int i = 0; i < heads.length; i++) {
      add("<th scope='col'%s>%s</th>", i == 0 ? " class='name'" : "", heads[i]);
    }
    add("</tr></thead><tbody>%n");
  }

  private void row(SparsityReport.MeasuredSae entry, String... cells) {
    add("<tr><td class='name'>%s ", escape(entry.sae().hookPoint()));
    add("<small>%s, %s</small></td>", escape(entry.sae().variant()), escape(entry.sae().tokens()));
    for (String cell : cells) add("<td>%s</td>", cell);
    add("</tr>%n");
  }

  private void endTable() {
    add("</tbody></table></div>%n");
  }

  private void sparsity(List<SparsityReport.MeasuredSae> saes) {
    add("<h2>SAEs</h2>%n");
    table(
        "hook point, SAE, tokens",
        "L0",
        "L0 " + words.speaker(),
        "L0 " + words.others(),
        "explained variance",
        "cosine",
        "alive",
        "dead",
        "dense");
    for (var entry : saes) {
      var s = entry.sparsity();
      row(
          entry,
          EvaluationText.number("%.1f", s.l0()),
          EvaluationText.number("%.1f", s.l0Cls()),
          EvaluationText.number("%.1f", s.l0Patches()),
          EvaluationText.number("%.4f", s.explainedVariance()),
          EvaluationText.number("%.4f", s.cosine()),
          EvaluationText.percent(s.alive()),
          EvaluationText.percent(1 - s.alive()),
          EvaluationText.percent(s.dense()));
    }
    endTable();
    add("<p class='muted'>%s.</p>%n", ReportWords.PUBLISHED);
  }

  private void overview(List<SparsityReport.MeasuredSae> saes) {
    if (saes.size() < 2) return; // one point tells no more than its row
    add("<h2>Sparsity against reconstruction</h2><div class='pair'>%n");
    add("<figure class='card'>%s", EvaluationCharts.frontier(saes));
    add("<figcaption>Each point is an SAE: high and to the left is better.");
    if (saes.stream()
        .anyMatch(e -> e.sparsity().explainedVariance() instanceof Double d && d < 0)) {
      add(" One below 0 lies on the floor, with its number.");
    }
    add("</figcaption></figure>");
    if (saes.stream().map(e -> e.sae().point().layer()).distinct().count() > 1) {
      add("<figure class='card'>%s", EvaluationCharts.layers(saes, words));
      add("<figcaption><span class='key one'>%s</span>", words.others());
      add("<span class='key ring'>%s</span></figcaption></figure>", words.speaker());
    }
    add("</div>%n");
  }

  private void answers(List<SparsityReport.MeasuredSae> saes) {
    boolean first = true;
    for (var entry : saes) {
      var a = entry.zeroShot();
      if (a == null) continue;
      if (first) {
        first = false;
        add("<h2>Zero-shot answers</h2><p class='muted'>%s, ", Counted.of(a.images(), "image"));
        add("%s. ", Counted.of(a.classes(), "class", "classes"));
        add("Cross-entropy in nats, and accuracy, with the residual");
        add(" as it is, as the SAE gives it back, and replaced by its mean or by zero.</p>%n");
        table(
            "hook point, SAE, tokens",
            "original",
            "SAE",
            "mean",
            "zero",
            "recovered of mean",
            "recovered of zero");
      }
      row(
          entry,
          quality(a.original()),
          quality(a.spliced()),
          quality(a.meanAblated()),
          quality(a.zeroAblated()),
          EvaluationText.recovered(a.ceRecovered().meanAblation()),
          EvaluationText.recovered(a.ceRecovered().zeroAblation()));
    }
    if (!first) endTable();
  }

  private static String quality(SparsityReport.Quality quality) {
    return EvaluationText.number("%.4f", quality.crossEntropy())
        + " <small>· "
        + EvaluationText.percent(quality.accuracy())
        + "</small>";
  }

  private void legacy(List<SparsityReport.MeasuredSae> saes) {
    boolean first = true;
    for (var entry : saes) {
      var l = entry.legacy();
      if (l == null) continue;
      if (first) {
        first = false;
        add("<h2>Legacy forms</h2><p class='muted'>As the paper's code computes them, for a");
        add(" comparison with its tables: cosines without scale, zero ablation.</p>%n");
        table(
            "hook point, SAE, tokens",
            "explained variance",
            "cosine",
            "CE original",
            "CE with SAE",
            "CE zero",
            "CE recovered");
      }
      row(
          entry,
          EvaluationText.number("%.4f", l.explainedVariance()),
          EvaluationText.number("%.4f", l.cosine()),
          EvaluationText.number("%.4f", l.crossEntropy()),
          EvaluationText.number("%.4f", l.crossEntropySpliced()),
          EvaluationText.number("%.4f", l.crossEntropyZeroAblated()),
          EvaluationText.recovered(l.ceRecovered()));
    }
    if (!first) endTable();
  }

  private void cards(List<SparsityReport.MeasuredSae> saes) {
    int from = firstDecade(saes);
    add("<h2>Where and how often features are active</h2><div class='saes'>%n");
    for (var entry : saes) {
      var s = entry.sparsity();
      add("<section class='card'><h3>%s</h3>", escape(EvaluationText.name(entry)));
      add("<p class='muted'>%s; ", Counted.of(s.tokens(), "token"));
      add("%,d of %s never active</p>", s.histogram().never(), Counted.of(s.features(), "feature"));
      add("<div class='charts'>%n");
      if (s.l0Grid() != null) {
        add("<figure class='map'><h4>%s</h4>", words.map());
        add("%s</figure>", EvaluationCharts.map(s.l0Grid(), words));
      }
      add("<figure><h4>Features by share of tokens</h4>");
      add("%s</figure></div></section>%n", EvaluationCharts.histogram(s.histogram(), from));
    }
    add("</div>%n");
  }

  /** One axis for all SAEs: the decade of the rarest feature, at most −2. */
  private static int firstDecade(List<SparsityReport.MeasuredSae> saes) {
    double first = -2;
    for (var entry : saes) {
      var h = entry.sparsity().histogram();
      for (int i = 0; i < h.counts().length; i++) {
        if (h.counts()[i] > 0) first = Math.min(first, h.bins()[i]);
      }
    }
    return (int) Math.floor(first);
  }

  private void meanings() {
    add("<h2>What the numbers mean</h2><dl>%n");
    word("L0", "mean number of active features a token");
    word("explained variance", "1 − Σ‖x−x̂‖² / Σ‖x−x̄‖² over all tokens");
    word("cosine", "mean over tokens of the cosine between x and x̂");
    word("alive, dead, dense", "features active at least once, never, on more than 10 % of tokens");
    word("recovered", "share of the cross-entropy lost to an ablation that the SAE keeps");
    add("</dl><p class='muted'>All digits are in evaluation.json.</p>%n");
  }

  private void word(String word, String meaning) {
    add("<dt>%s</dt><dd>%s</dd>%n", word, meaning);
  }
}
