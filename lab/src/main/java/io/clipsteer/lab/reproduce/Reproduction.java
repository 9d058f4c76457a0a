// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.reproduce;

import com.fasterxml.jackson.annotation.JsonProperty;
import io.clipsteer.lab.run.Versions;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A paper's published numbers beside ours, as {@code reproduction.json} holds it. docs/metrics.md
 * defines difference, verdict and power.
 *
 * @param paper {@code steering-clip} or {@code saev}
 * @param title of the paper
 * @param model checkpoint
 * @param dino second checkpoint; null without
 * @param sameShape whether the models have the shapes of the paper's
 * @param shape what the models are, beside the paper's
 * @param scale of images, tokens and steps
 * @param sets found and missing
 * @param stages the program's own commands
 * @param rows in the published table's order
 */
public record Reproduction(
    String paper,
    String title,
    String model,
    @Nullable String dino,
    boolean sameShape,
    String shape,
    double scale,
    List<SetState> sets,
    List<StageState> stages,
    List<ComparedRow> rows) {
  /**
   * A set.
   *
   * @param path null where it was not found
   * @param note what it stands in for, or what is missing
   */
  public record SetState(String name, @Nullable String path, String note) {}

  /**
   * A stage.
   *
   * @param command as typed into a shell
   * @param seconds null where it was not run
   * @param note why it was not run
   */
  public record StageState(String name, String command, @Nullable Double seconds, String note) {}

  /** Form of the file. */
  @JsonProperty
  public int protocol() {
    return 1;
  }

  /** The version that wrote it. */
  @JsonProperty
  public String clipsteer() {
    return Versions.CLIPSTEER;
  }

  /** Rows by verdict. */
  @JsonProperty
  public Map<Verdict, Integer> verdicts() {
    Map<Verdict, Integer> counts = new EnumMap<>(Verdict.class);
    for (Verdict verdict : Verdict.values()) counts.put(verdict, 0);
    for (ComparedRow row : rows) counts.merge(row.verdict(), 1, Integer::sum);
    return counts;
  }
}
