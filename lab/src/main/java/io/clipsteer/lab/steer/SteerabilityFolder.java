// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import io.clipsteer.data.InputException;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.folder.WorkFolder;
import io.clipsteer.data.json.JsonFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * A measurement on disk, in a folder that one run alone writes: {@code parts/} (the units measured
 * so far; deleted at the end), a table of every hook point and kind, and {@code steerability.json},
 * which comes last.
 */
public record SteerabilityFolder(Path path) {
  private static final String REPORT = "steerability.json";
  private static final String PARTS = "parts";

  /** Of a measurement. */
  public static final WorkFolder.FolderLayout LAYOUT =
      new WorkFolder.FolderLayout(REPORT, List.of(PARTS));

  /**
   * Units that were measured at a time.
   *
   * @param resampled in the bootstrap's samples
   * @param evaluated (unit, image) pairs that were computed
   * @param raised of steerable features, whose names rise
   * @param seconds for these units
   */
  record Part(
      List<UnitScore> scores,
      ResampledUnits resampled,
      long evaluated,
      Raised raised,
      double seconds) {
    static final Part NONE = new Part(List.of(), ResampledUnits.NONE, 0, Raised.NONE, 0);

    /** This part, then another. */
    Part plus(Part other) {
      List<UnitScore> all = new ArrayList<>(scores);
      all.addAll(other.scores);
      return new Part(
          all,
          resampled.plus(other.resampled),
          evaluated + other.evaluated,
          raised.plus(other.raised),
          seconds + other.seconds);
    }
  }

  private Path part(UnitTask.UnitPart of) {
    return path.resolve(PARTS).resolve(of.task().name() + "." + of.from() + ".json");
  }

  /** Whether units were measured. */
  boolean has(UnitTask.UnitPart of) {
    return Files.isRegularFile(part(of));
  }

  /** Units that were measured at a time, or null when they are not yet. */
  @Nullable Part read(UnitTask.UnitPart of) {
    Path file = part(of);
    if (!Files.isRegularFile(file)) return null;
    String remedy = "Delete it, and its units are measured again";
    Part part = JsonFile.read(file, Part.class, remedy);
    boolean whole =
        part.scores() != null
            && part.scores().size() == of.count()
            && part.resampled() != null
            && part.raised() != null
            && part.resampled().above().length == Measuring.DRAWS
            && part.resampled().shift().length == Measuring.DRAWS;
    if (!whole) throw new InputException(file, "is of another measurement", remedy);
    return part;
  }

  void write(UnitTask.UnitPart of, Part part) {
    AtomicFiles.writeText(part(of), JsonFile.line(part));
  }

  /** Writes the table of all units of a group. */
  void table(String name, List<UnitScore> scores, List<String> words) {
    StringBuilder text =
        new StringBuilder(
            "unit,images,s,s_unbiased,low,high,s_semantic,power,sigmoid,promoted,suppressed\n");
    for (UnitScore score : scores) {
      text.append(
          String.format(
              Locale.ROOT,
              "%d,%d,%.9g,%.9g,%.9g,%.9g,%.9g,%.9g,%s,%s,%s%n",
              score.unit(),
              score.images(),
              score.s(),
              score.unbiased(),
              score.low(),
              score.high(),
              score.semantic(),
              score.power(),
              score.sigmoid() == null ? "" : String.format(Locale.ROOT, "%.9g", score.sigmoid()),
              words(score.promoted(), words),
              words(score.suppressed(), words)));
    }
    AtomicFiles.writeText(path.resolve(name + ".csv"), text.toString());
  }

  /** Writes the dose-response of the most steerable features. */
  void doses(String name, List<Dose> doses, List<String> words) {
    StringBuilder text =
        new StringBuilder("unit,word,half,strength,change,low,high,norm,nearest\n");
    for (Dose dose : doses) {
      String word = "\"" + words.get(dose.word()).replace("\"", "\"\"") + "\"";
      for (Dose.DosePoint point : dose.points()) {
        text.append(
            String.format(
                Locale.ROOT,
                "%d,%s,%.6g,%.6g,%.9g,%.9g,%.9g,%.6g,%.6g%n",
                dose.unit(),
                word,
                dose.half(),
                point.strength(),
                point.change(),
                point.low(),
                point.high(),
                point.norm(),
                point.nearest()));
      }
    }
    AtomicFiles.writeText(path.resolve(name + ".dose.csv"), text.toString());
  }

  /** {@code "word +0.12; word +0.05"}, quoted as CSV wants it. */
  private static String words(List<UnitScore.Moved> moved, List<String> words) {
    StringBuilder text = new StringBuilder();
    for (UnitScore.Moved one : moved) {
      if (!text.isEmpty()) text.append("; ");
      text.append(words.get(one.word())).append(String.format(Locale.ROOT, " %+.5f", one.change()));
    }
    return "\"" + text.toString().replace("\"", "\"\"") + "\"";
  }

  /** The report's file. */
  public Path report() {
    return path.resolve(REPORT);
  }

  /** Writes the report. */
  public void write(SteerabilityReport report) {
    AtomicFiles.writeJson(report(), report);
  }
}
