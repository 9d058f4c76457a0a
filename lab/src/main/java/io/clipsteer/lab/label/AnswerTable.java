// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.label;

import io.clipsteer.data.InputException;
import io.clipsteer.data.table.CsvText;
import io.clipsteer.data.table.TableRows;
import io.clipsteer.lab.label.LabelAnswer.Ideas;
import io.clipsteer.lab.label.LabelAnswer.Said;
import io.clipsteer.lab.label.LabelPlan.LabelTrial;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** Answers as a table, for other programs and for answers that were collected elsewhere. */
public final class AnswerTable {
  private static final List<String> COLUMNS =
      List.of(
          "annotator",
          "trial",
          "task",
          "name",
          "choice",
          "confidence",
          "ideas",
          "idea",
          "picked",
          "skipped",
          "milliseconds",
          "heat_maps",
          "time");

  /** In the cell of images that were picked, where none was. */
  private static final String NOTHING = "-";

  private AnswerTable() {}

  /** All answers, a row each, by annotator in the order in which they were given. */
  public static String csv(PlanFolder folder) {
    Map<String, LabelTrial> trials = trials(folder);
    CsvText text = new CsvText(COLUMNS);
    for (String annotator : folder.annotators()) {
      for (LabelAnswer answer : AnswerLog.open(folder, annotator).answers()) {
        LabelTrial trial = trials.get(answer.trial());
        Said said = answer.said();
        text.row(
            Arrays.asList(
                annotator,
                answer.trial(),
                trial == null ? null : trial.task(),
                answer.name(),
                said.choice(),
                said.confidence(),
                said.ideas(),
                said.idea(),
                numbers(said.picked()),
                said.skipped(),
                answer.milliseconds(),
                answer.heatMaps(),
                answer.time()));
      }
    }
    return text.toString();
  }

  private static @Nullable String numbers(@Nullable List<Integer> picked) {
    if (picked == null || picked.isEmpty()) return picked == null ? null : NOTHING;
    return picked.stream().map(String::valueOf).collect(Collectors.joining(" "));
  }

  private static Map<String, LabelTrial> trials(PlanFolder folder) {
    return folder.plan().trials().stream()
        .collect(Collectors.toMap(LabelTrial::id, Function.identity()));
  }

  /**
   * Takes answers from a table as {@link #csv} writes it; its columns may stand in any order, and
   * those that a task does not need may be missing. All rows are checked before one is stored.
   *
   * @return answers by annotator
   * @throws InputException when a row does not answer a trial, or an annotator has answers already
   */
  public static Map<String, Integer> read(PlanFolder folder, Path table) {
    Map<String, LabelTrial> trials = trials(folder);
    String hash = folder.hash();
    List<String> present = folder.annotators();
    Map<String, List<LabelAnswer>> all = new LinkedHashMap<>();
    try (TableRows rows = TableRows.open(table)) {
      for (List<String> row = rows.next(); row != null; row = rows.next()) {
        Row cells = new Row(rows, row);
        String annotator = cells.text("annotator");
        if (annotator == null || !AnswerLog.isPseudonym(annotator)) {
          throw rows.wrong("its annotator is no pseudonym", "Use letters, digits, _ and -");
        }
        if (present.contains(annotator)) {
          throw rows.wrong(annotator + " has answers already", "Use another pseudonym");
        }
        LabelTrial trial = trials.get(String.valueOf(cells.text("trial")));
        if (trial == null) throw rows.wrong("its trial is not of this plan", "Check the plan");
        String skipped = cells.text("skipped");
        Said said = skipped == null ? cells.said() : Said.skipped(skipped);
        String fault = skipped == null ? said.fault(trial) : null;
        if (fault != null) throw rows.wrong(fault, "Correct the row");
        List<LabelAnswer> own = all.computeIfAbsent(annotator, a -> new ArrayList<>());
        own.add(
            new LabelAnswer(
                hash,
                own.size(),
                trial.id(),
                cells.text("name"),
                said,
                cells.whole("milliseconds", 0),
                cells.whole("heat_maps", 0),
                String.valueOf(cells.text("time"))));
      }
    }
    Map<String, Integer> counts = new LinkedHashMap<>();
    all.forEach(
        (annotator, answers) -> {
          AnswerLog log = AnswerLog.open(folder, annotator);
          answers.forEach(log::store);
          counts.put(annotator, answers.size());
        });
    return counts;
  }

  /** A row of a table. */
  private record Row(TableRows rows, List<String> cells) {
    @Nullable String text(String name) {
      int column = rows.names().indexOf(name);
      if (column < 0 || column >= cells.size() || cells.get(column).isBlank()) return null;
      return cells.get(column).strip();
    }

    int whole(String name, int otherwise) {
      String text = text(name);
      return text == null ? otherwise : whole(name, text);
    }

    private int whole(String name, String text) {
      if (text.matches("\\d{1,9}")) return Integer.parseInt(text);
      throw rows.wrong(name + " '" + text + "' is no whole number", "Correct the row");
    }

    private @Nullable Integer number(String name) {
      String text = text(name);
      return text == null ? null : whole(name, text);
    }

    Said said() {
      String picked = text("picked");
      List<Integer> numbers = null;
      if (NOTHING.equals(picked)) {
        numbers = List.of();
      } else if (picked != null) {
        numbers = Arrays.stream(picked.split(" +")).map(one -> whole("picked", one)).toList();
      }
      return new Said(number("choice"), number("confidence"), ideas(), text("idea"), numbers, null);
    }

    private @Nullable Ideas ideas() {
      String text = text("ideas");
      if (text == null) return null;
      try {
        return Ideas.valueOf(text.toUpperCase(Locale.ROOT));
      } catch (IllegalArgumentException e) {
        throw rows.wrong("ideas '" + text + "' are none, several or one", "Correct the row");
      }
    }
  }
}
