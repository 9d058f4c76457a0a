// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.label;

import io.clipsteer.data.Hashes;
import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import io.clipsteer.data.json.JsonFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * The folder of a human evaluation: {@code plan.json}, {@code manifest.json}, {@code
 * images/ID.jpg}, {@code answers/PSEUDONYM.jsonl}.
 */
public record PlanFolder(Path path) {
  /** The plan's file. */
  public static final String PLAN = "plan.json";

  private static final String REMEDY = "Make one with clipsteer labels plan";
  private static final int HASHED = 16;

  /** The file of a shown image. */
  public Path image(String id) {
    return path.resolve("images").resolve(id + ".jpg");
  }

  /** The folder of the answers. */
  public Path answers() {
    return path.resolve("answers");
  }

  /** Pseudonyms that have answers, in alphabetical order. */
  public List<String> annotators() {
    if (!Files.isDirectory(answers())) return List.of();
    try (Stream<Path> files = Files.list(answers())) {
      return files
          .map(file -> file.getFileName().toString())
          .filter(name -> name.endsWith(AnswerLog.ENDING))
          .map(name -> name.substring(0, name.length() - AnswerLog.ENDING.length()))
          .filter(AnswerLog::isPseudonym)
          .sorted()
          .toList();
    } catch (IOException e) {
      throw new InputException(
          answers(), "cannot be read: " + Reasons.of(e), "Check its rights", e);
    }
  }

  /** Pseudonyms whose file ends within an answer, which was never confirmed and is not counted. */
  public List<String> torn() {
    return annotators().stream().filter(one -> AnswerLog.open(this, one).isTorn()).toList();
  }

  /** What answers name their plan by: the beginning of its SHA-256. */
  public String hash() {
    Path file = path.resolve(PLAN);
    if (!Files.isRegularFile(file)) throw new InputException(file, "is missing", REMEDY);
    return Hashes.sha256(file).substring(0, HASHED);
  }

  /**
   * Reads the plan.
   *
   * @throws InputException when it is missing or damaged
   */
  public LabelPlan plan() {
    Path file = path.resolve(PLAN);
    LabelPlan plan = JsonFile.read(file, LabelPlan.class, REMEDY);
    if (plan.format() != LabelPlan.FORMAT) {
      throw new InputException(file, "has format " + plan.format(), "Read " + LabelPlan.FORMAT);
    }
    boolean whole =
        plan.units() != null
            && plan.trials() != null
            && !plan.trials().isEmpty()
            && plan.trials().stream().allMatch(one -> isWhole(plan, one));
    Set<String> ids =
        whole
            ? plan.trials().stream().map(LabelPlan.LabelTrial::id).collect(Collectors.toSet())
            : Set.of();
    if (!whole || ids.size() < plan.trials().size()) {
      throw new InputException(file, "is damaged", REMEDY);
    }
    return plan;
  }

  private static boolean isWhole(LabelPlan plan, LabelPlan.LabelTrial trial) {
    return trial != null
        && trial.id() != null
        && trial.task() != null
        && trial.role() != null
        && trial.unit() >= 0
        && trial.unit() < plan.units().size()
        && trial.images() != null
        && trial.images().size() == shown(trial.task())
        && trial.images().stream()
            .allMatch(
                one -> one != null && one.image() != null && one.image().matches("[0-9a-f]+"));
  }

  private static int shown(LabelTask task) {
    return switch (task) {
      case NAMING -> 16;
      case TWO_AFC -> 2 * LabelPlan.REFERENCES + 2;
      case INTRUDER -> 5;
      case VERIFICATION -> 10;
    };
  }
}
