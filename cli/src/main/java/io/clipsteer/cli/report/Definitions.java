// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.report;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * The definitions of a page's numbers, read from docs/metrics.md, which is part of the program.
 *
 * @param terms in the order of the page
 * @param scopes what all definitions of a section share, by section: its first paragraph
 */
public record Definitions(List<Term> terms, Map<String, String> scopes) {
  /**
   * One definition in plain text.
   *
   * @param key by which the page finds it
   * @param name as the page calls it
   * @param section of docs/metrics.md; empty for those before the first section
   * @param text sentences and formulas
   */
  public record Term(String key, String name, String section, String text) {}

  private static final String FILE = "metrics.md";

  /** Key, section, bold term there, and name; a line a definition. */
  private static final String TERMS =
      """
      explained_variance||Explained variance|Explained variance
      token_variance||Per-token explained variance|Per-token explained variance
      ordinary||Ordinary explained variance|Explained variance of ordinary tokens
      massive||Massive|Massive tokens and coordinates
      l0||L0|L0
      cosine||Cosine|Cosine
      alive||Alive fraction|Alive
      shares||Intervals|Intervals of shares
      l0_grid|evaluate|l0, explained_variance, variance, alive_fraction|L0 by token
      dense|evaluate|dense_fraction|Dense
      zero_shot|evaluate|zero_shot|Zero-shot classification
      ce_recovered|evaluate|ce_recovered|Cross-entropy (CE) recovered
      legacy|evaluate|legacy|Legacy forms
      frequency|index|frequency|Frequency
      cls_share|index|cls_share|Share of activation on CLS
      mean|index|mean|Mean activation
      max|index|max|Max activation
      histogram|index|histogram|Histogram
      positions|index|positions|Mean activation by position
      monosemanticity|index|Monosemanticity|Monosemanticity
      auroc|index|AUROC|AUROC
      names|index|Names|Names
      names_null|index|Nulls of names|Nulls of names
      names_change|index|change|Change of a name by steering
      search|index|search|Search
      search_null|explore|texts without meaning|Texts without meaning
      effect_logit|explore|logit change|Logit change
      twins|explore|correlation|Correlation over images
      effect_flipped|explore|answers that change|Answers that change
      evaluation_tasks|labels|tasks|Tasks of human evaluation
      people_accuracy|labels|accuracy of people|Accuracy of people
      people_controls|labels|difference to a control|Difference to a control
      people_agreement|labels|agreement|Agreement of annotators
      people_repeats|labels|repeats|Trials shown twice
      units|steerability|Units|Units
      strength|steerability|Strengths|Strengths
      s|steerability|S|S, steerability
      unbiased|steerability|Unbiased|S, unbiased
      semantic|steerability|Semantic S|S, semantic
      interval|steerability|Interval|Interval of S
      power|steerability|Power|Power
      promoted|steerability|Promoted|Promoted and suppressed words
      share|steerability|share_above_tau|Share above τ
      coverage|steerability|coverage|Coverage
      comparisons|steerability|Comparisons|Features against baselines
      screen|steerability|--screen|Screening
      dose|steerability|Dose|Dose–response
      vocabularies|steerability|--vocabulary-sizes|Parts of the vocabulary
      names_causal|steerability|names|Features that promote their names
      locality|steerability|locality|Steerability vs. spatial extent
      wga|suppress|baseline_wga, edited_wga|Worst-group accuracy
      worst_group|suppress|worst_group|Worst group
      mcnemar|suppress|mcnemar_p|p (McNemar)
      overall|suppress|overall_before, overall_after|Overall accuracy
      baselines|suppress|Baselines|Baselines
      harm|suppress|Harm|Harm
      against|suppress|Features against the best baseline|Features against the best baseline
      stability|suppress|Stability of the selection|Stability of the selection
      tried|suppress|Edits that were selected from|Edits that were selected from
      screened|suppress|Screened selection|Screened selection
      reasons|suppress|Why each feature was taken|Why each feature was taken
      sweep|suppress|sweep|Sweep over layers
      target_change|study selectivity|target_change T|T, target change
      other_change|study selectivity|other_change O|O, other change
      difference|study selectivity|difference|T − O
      controls|study selectivity|controls|Controls of the same length
      destinations|study selectivity|destinations|What targets become
      reproduced_difference|reproduce|difference|Difference
      verdict|reproduce|verdict|Verdict
      verdict_power|reproduce|power|Power of a row
      """;

  /** A term in bold where an item or a sentence starts, up to the next of these. */
  private static final Pattern BOLD = Pattern.compile("(?:^|(?<=[.;:,] ))\\*\\*(.+?)\\*\\*");

  /** A term's name in files and its other names in bold, up to the colon. */
  private static final Pattern NAMES =
      Pattern.compile("^( \\([^)]*\\))?(, \\*\\*[^*]+\\*\\*( \\([^)]*\\))?)*: ");

  /** The classes that compute a number, in parentheses. */
  private static final Pattern CODE = Pattern.compile(" ?\\(`[a-z]+\\.[A-Za-z.]+`\\)");

  /** A sentence about classes or tests: it is for those who read the code. */
  private static final Pattern INTERNAL =
      Pattern.compile("`(?:lab|data|engine)\\.[A-Za-z.]+`|\\btests\\b");

  private static final Pattern SENTENCE = Pattern.compile("(?<=[.;]) +");

  /** Reads all. */
  public static Definitions read() {
    return of(Page.text(FILE));
  }

  private static Definitions of(String markdown) {
    Map<String, Map<String, String>> texts = texts(markdown);
    List<Term> terms = new ArrayList<>();
    Map<String, String> scopes = new LinkedHashMap<>();
    for (String line : TERMS.lines().toList()) {
      String[] cells = line.split("\\|");
      String text = texts.getOrDefault(cells[1], Map.of()).get(cells[2]);
      if (text == null) throw new IllegalStateException(FILE + " no longer defines " + cells[2]);
      terms.add(new Term(cells[0], cells[3], cells[1], text));
      if (!cells[1].isEmpty()) scopes.computeIfAbsent(cells[1], s -> scope(markdown, s));
    }
    return new Definitions(terms, scopes);
  }

  /** Definitions by section and term. */
  static Map<String, Map<String, String>> texts(String markdown) {
    Map<String, Map<String, String>> all = new LinkedHashMap<>();
    items(markdown)
        .forEach(
            (section, items) -> {
              Map<String, String> texts = all.computeIfAbsent(section, s -> new LinkedHashMap<>());
              for (String item : items) addTerms(item, texts);
            });
    return all;
  }

  /** Adds the terms of an item; several in a row share the text behind the last of them. */
  private static void addTerms(String item, Map<String, String> texts) {
    List<MatchResult> bold = BOLD.matcher(item).results().toList();
    int end = item.length();
    for (int i = bold.size() - 1; i >= 0; i--) {
      MatchResult term = bold.get(i);
      String text = item.substring(term.end(), end);
      boolean inRow = item.startsWith(", ", Math.max(0, term.start() - 2)) && text.startsWith(": ");
      if (!inRow) end = term.start();
      texts.putIfAbsent(term.group(1).replace("`", ""), definition(text));
    }
  }

  /** What follows a term, without the term's other names and without the code behind it. */
  private static String definition(String text) {
    return plain(NAMES.matcher(text).replaceFirst("")).replaceFirst("^as above\\. (?=.)", "");
  }

  private static String scope(String markdown, String section) {
    int heading = markdown.indexOf("## `" + section + "`");
    int from = heading < 0 ? -1 : markdown.indexOf("\n\n", heading);
    if (from < 0) return "";
    return plain(markdown.substring(from + 2, markdown.indexOf("\n\n", from + 2)));
  }

  private static String plain(String text) {
    String lines = text.replaceAll("\\s+", " ").strip();
    return Stream.of(SENTENCE.split(CODE.matcher(lines).replaceAll("")))
        .filter(sentence -> !INTERNAL.matcher(sentence).find())
        .collect(Collectors.joining(" "))
        .replaceAll("[`]|\\*\\*", "")
        .replaceFirst("^[,;] ", "")
        .replaceFirst("[,;:]$", ".")
        .strip();
  }

  /** The items of each section, lines joined. */
  private static Map<String, List<String>> items(String markdown) {
    Map<String, List<String>> items = new LinkedHashMap<>();
    String section = "";
    StringBuilder item = new StringBuilder();
    for (String line : (markdown + "\n# end").lines().toList()) {
      boolean heading = line.startsWith("#");
      if (!item.isEmpty() && (heading || line.startsWith("- ") || line.isBlank())) {
        items.computeIfAbsent(section, s -> new ArrayList<>()).add(item.toString());
        item.setLength(0);
      }
      if (line.startsWith("## ")) section = line.substring(3).replace("`", "").strip();
      if (line.startsWith("- ")) item.append(line.substring(2).strip());
      else if (!item.isEmpty()) item.append(' ').append(line.strip());
    }
    return items;
  }
}
