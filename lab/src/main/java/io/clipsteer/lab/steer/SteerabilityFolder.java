// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.engine.model.TextLibrary;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * A measurement on disk: {@code config.json} (the settings; a stopped measurement resumes only with
 * the same), {@code parts/} (the units measured so far), a table of every hook point and kind, and
 * {@code steerability.json}, which comes last.
 */
public final class SteerabilityFolder {
  static final String REPORT = "steerability.json";
  private static final String CONFIG = "config.json";
  private static final String PARTS = "parts";
  private static final JsonMapper JSON = JsonMapper.builder().build();

  /**
   * Units that were measured at a time.
   *
   * @param above how many of them are above τ in each of the bootstrap's samples
   * @param evaluated (unit, image) pairs that were computed
   * @param raised of steerable features, whose names rise
   * @param seconds for these units
   */
  record Part(List<UnitScore> scores, int[] above, long evaluated, Raised raised, double seconds) {
    static final Part NONE = new Part(List.of(), new int[Measuring.Plan.DRAWS], 0, Raised.NONE, 0);

    /** This part, then another. */
    Part plus(Part other) {
      List<UnitScore> all = new ArrayList<>(scores);
      all.addAll(other.scores);
      int[] sums = new int[above.length];
      Arrays.setAll(sums, b -> above[b] + other.above[b]);
      return new Part(
          all,
          sums,
          evaluated + other.evaluated,
          raised.plus(other.raised),
          seconds + other.seconds);
    }
  }

  private final Path path;

  private SteerabilityFolder(Path path) {
    this.path = path;
  }

  /**
   * A new folder, or one that holds a stopped measurement of the same kind.
   *
   * @param config everything that the numbers depend on
   * @throws InputException when something else lies there
   */
  public static SteerabilityFolder open(Path path, Map<String, Object> config) {
    Path file = path.resolve(CONFIG);
    try {
      if (Files.exists(path) && !Files.isDirectory(path)) {
        throw new InputException(path, "is a file", "Name a new folder with --out");
      }
      if (Files.exists(path.resolve(REPORT))) {
        throw new InputException(
            path, "holds a finished measurement", "Name a new folder with --out");
      }
      if (Files.isRegularFile(file)) {
        JsonNode before = JSON.readTree(Files.readAllBytes(file));
        if (!before.equals(JSON.readTree(JSON.writeValueAsBytes(config)))) {
          throw new InputException(
              path,
              "holds a measurement that was started with other options or files",
              "Resume with the same, or name a new folder with --out");
        }
      } else if (Files.isDirectory(path)) {
        try (Stream<Path> entries = Files.list(path)) {
          if (entries.findAny().isPresent()) {
            throw new InputException(path, "is not empty", "Name a new folder with --out");
          }
        }
      }
    } catch (IOException | JacksonException e) {
      throw new InputException(file, "cannot be read", "Name a new folder with --out", e);
    }
    AtomicFiles.writeJson(file, config);
    return new SteerabilityFolder(path);
  }

  /** The folder. */
  public Path path() {
    return path;
  }

  private Path part(String name, int from) {
    return path.resolve(PARTS).resolve(name + "." + from + ".json");
  }

  /** Units that were measured at a time, or null when they are not yet. */
  @Nullable Part read(String name, int from, int count) {
    Path file = part(name, from);
    if (!Files.isRegularFile(file)) return null;
    try {
      Part part = JSON.readValue(Files.readAllBytes(file), Part.class);
      boolean whole =
          part != null
              && part.scores() != null
              && part.scores().size() == count
              && part.above() != null
              && part.raised() != null
              && part.above().length == Measuring.Plan.DRAWS;
      if (!whole) throw new InputException(file, "is of another measurement", "Delete it");
      return part;
    } catch (IOException | JacksonException e) {
      throw new InputException(file, "cannot be read", "Delete it", e);
    }
  }

  void write(String name, int from, Part part) {
    try {
      AtomicFiles.write(part(name, from), JSON.writeValueAsBytes(part));
    } catch (JacksonException e) {
      throw new InputException(part(name, from), "cannot be written", "Check the numbers", e);
    }
  }

  /** Writes the table of all units of a group. */
  void table(String name, List<UnitScore> scores, TextLibrary library) {
    StringBuilder text =
        new StringBuilder(
            "unit,images,s,s_unbiased,low,high,s_semantic,power,promoted,suppressed\n");
    for (UnitScore score : scores) {
      text.append(
          String.format(
              Locale.ROOT,
              "%d,%d,%.9g,%.9g,%.9g,%.9g,%.9g,%.9g,%s,%s%n",
              score.unit(),
              score.images(),
              score.s(),
              score.unbiased(),
              score.low(),
              score.high(),
              score.semantic(),
              score.power(),
              words(score.promoted(), library),
              words(score.suppressed(), library)));
    }
    AtomicFiles.writeText(path.resolve(name + ".csv"), text.toString());
  }

  /** Writes the dose-response of the most steerable features. */
  void doses(String name, List<Dose> doses, TextLibrary library) {
    StringBuilder text =
        new StringBuilder("unit,word,half,strength,change,low,high,norm,nearest\n");
    for (Dose dose : doses) {
      String word = "\"" + library.words().get(dose.word()).replace("\"", "\"\"") + "\"";
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
  private static String words(List<UnitScore.Moved> moved, TextLibrary library) {
    StringBuilder text = new StringBuilder();
    for (UnitScore.Moved one : moved) {
      if (!text.isEmpty()) text.append("; ");
      text.append(library.words().get(one.word()))
          .append(String.format(Locale.ROOT, " %+.5f", one.change()));
    }
    return "\"" + text.toString().replace("\"", "\"\"") + "\"";
  }

  /** Writes the report and deletes the parts, which the tables contain. */
  public void finish(SteerabilityReport report) {
    AtomicFiles.writeJson(path.resolve(REPORT), report.json());
    try (Stream<Path> files =
        Files.isDirectory(path.resolve(PARTS)) ? Files.list(path.resolve(PARTS)) : Stream.empty()) {
      for (Path file : files.toList()) Files.delete(file);
      Files.deleteIfExists(path.resolve(PARTS));
    } catch (IOException e) {
      throw new InputException(
          path.resolve(PARTS), "cannot be deleted: " + Reasons.of(e), "Delete it by hand", e);
    }
  }
}
