// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.run;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.folder.RunManifest;
import io.clipsteer.data.folder.WorkFolder;
import io.clipsteer.data.json.JsonFile;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.TokenSelection;
import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.json.JsonMapper;

/**
 * A training run on disk, and the one place that names what lies in it:
 *
 * <ul>
 *   <li>{@code manifest.json}: how it was made, from its start on
 *   <li>{@code metrics.jsonl}: the curve, growing
 *   <li>{@code state.json} and {@code state/STEP/N.safetensors}: what an unfinished training is
 *       resumed from
 *   <li>{@code apart/N/}: a run of the Nth SAE alone, where a cluster trains; joined and deleted at
 *       the end
 *   <li>{@code saes/NAME/}: SAELens-style folders, {@code pareto.csv}
 *   <li>{@code run.json}: what was trained where, and how well; last, so that a folder with it is
 *       complete
 *   <li>{@code index/}, {@code evaluation.json}, {@code evaluation.html} and {@code
 *       evaluation.manifest.json}: added by {@code index} and {@code evaluate}
 *   <li>{@code evaluation.blocks/}: of an evaluation that a cluster has not finished
 *   <li>{@code notes.jsonl} and {@code edits/NAME/}: what users of the explorer saved
 * </ul>
 */
public record RunFolder(Path path) {
  private static final String RUN = "run.json";
  private static final String METRICS = "metrics.jsonl";
  private static final String SAES = "saes/";
  private static final String STATE = "state.json";
  private static final String STATES = "state";

  /** The manifest of the last evaluation. */
  public static final String EVALUATION_MANIFEST = "evaluation.manifest.json";

  /** Results of an evaluation's blocks, until it ends. */
  public BlockFiles evaluationBlocks(String fingerprint) {
    return new BlockFiles(path.resolve("evaluation.blocks"), fingerprint);
  }

  /** Folder of the SAEs that are trained apart, until all are. */
  public static final String APART = "apart";

  /** Of a training. */
  public static final WorkFolder.FolderLayout LAYOUT =
      new WorkFolder.FolderLayout(RUN, List.of(STATE, STATES, APART));

  /** Prefix of the model in {@code run.json} where only the hash of its weights is known. */
  public static final String HASH = "sha256:";

  /**
   * One SAE of a run.
   *
   * @param folder relative to the run, with {@code /}
   * @param hookPoint where its activations come from, in peers' style
   * @param tokens all, cls or patches
   * @param variant as on the command line
   */
  public record SaeEntry(
      String folder,
      String hookPoint,
      String tokens,
      String variant,
      double explainedVariance,
      double l0,
      double aliveFraction) {
    /** JSON may hold null for what a record cannot do without. */
    private boolean isWhole() {
      return Stream.of(folder, hookPoint, tokens, variant).allMatch(Objects::nonNull);
    }

    /** The hook point as a value. */
    public HookPoint point() {
      return HookPoint.parse(hookPoint);
    }

    /** The token selection as a value. */
    public TokenSelection selection() {
      return TokenSelection.parse(tokens);
    }
  }

  /**
   * What {@code run.json} says.
   *
   * @param model checkpoint, absolute; {@code sha256:} and its weights' hash where the run was
   *     trained from a store and the checkpoint was not named
   */
  public record Run(String model, List<SaeEntry> saes) {
    /** Whether it says where the checkpoint lies. */
    public boolean knowsPlace() {
      return !model.isEmpty() && !model.startsWith(HASH);
    }
  }

  /** The tables of {@code index}. */
  public Path index() {
    return path.resolve("index");
  }

  /** What {@code evaluate} measured. */
  public Path evaluation() {
    return path.resolve("evaluation.json");
  }

  /** The page of {@code evaluate}. */
  public Path evaluationPage() {
    return path.resolve("evaluation.html");
  }

  /** What users noted about features, a JSON object a line. */
  public Path notes() {
    return path.resolve("notes.jsonl");
  }

  /** Folder of an edit that was saved under a name. */
  public Path edit(String name) {
    return path.resolve("edits").resolve(name);
  }

  /** Names the step of an unfinished training's state; written after the state's files. */
  public Path state() {
    return path.resolve(STATE);
  }

  /** The files of an unfinished training's states, a folder a step. */
  public Path states() {
    return path.resolve(STATES);
  }

  /** The Pareto table. */
  public Path pareto() {
    return path.resolve("pareto.csv");
  }

  /** Folder of an SAE in the run, as {@code run.json} names it. */
  public static String saeFolder(String name) {
    return SAES + name;
  }

  /** Whether a name is that of an SAE's folder in a run. */
  public static boolean isSae(String folder) {
    return folder.startsWith(SAES);
  }

  /** How it was trained; null where that is not known. */
  public @Nullable RunManifest manifest() {
    return RunManifest.find(path.resolve(RunManifest.FILE));
  }

  /** How it was evaluated; null where it was not, or by an older clipsteer. */
  public @Nullable RunManifest evaluationManifest() {
    return RunManifest.find(path.resolve(EVALUATION_MANIFEST));
  }

  /** An SAE's name: the last part of its folder. */
  public static String name(String folder) {
    return folder.substring(folder.lastIndexOf('/') + 1);
  }

  /** Writes {@code run.json}. */
  public void write(Run run) {
    AtomicFiles.writeJson(path.resolve(RUN), run);
  }

  /** Whether a training has finished here. */
  public boolean isFinished() {
    return Files.isRegularFile(path.resolve(RUN));
  }

  /** Reads {@code run.json}. */
  public Run read() {
    Path file = path.resolve(RUN);
    if (!isFinished()) {
      throw new InputException(
          path, "holds no finished run (no " + RUN + ")", "Make one with clipsteer train");
    }
    Run run = JsonFile.read(file, Run.class, "Train again");
    if (run.model() == null || run.saes() == null || run.saes().isEmpty()) {
      throw new InputException(file, "names no model or no SAE", "Train again");
    }
    for (SaeEntry sae : run.saes()) {
      if (sae == null || !sae.isWhole()) {
        throw new InputException(
            file, "an SAE lacks its folder, hook point, tokens or variant", "Restore the file");
      }
    }
    return run;
  }

  /** An SAE's folder; one that leads out of the run is refused. */
  public Path sae(SaeEntry entry) {
    Path folder = path.resolve(entry.folder()).normalize();
    if (!folder.startsWith(path.normalize())) {
      throw new InputException(
          path.resolve(RUN), "names an SAE outside the run: " + entry.folder(), "Train again");
    }
    return folder;
  }

  /**
   * Opens {@code metrics.jsonl} for one JSON object a line.
   *
   * @param before lines of steps below this one stay
   */
  public MetricsWriter metrics(long before) {
    Path file = path.resolve(METRICS);
    try {
      List<String> kept = new ArrayList<>();
      if (before > 0 && Files.isRegularFile(file)) {
        for (String line : Files.readAllLines(file)) if (step(line) < before) kept.add(line);
      }
      AtomicFiles.writeText(file, kept.isEmpty() ? "" : String.join("\n", kept) + "\n");
      return new MetricsWriter(Files.newBufferedWriter(file, StandardOpenOption.APPEND));
    } catch (IOException e) {
      throw new InputException(
          path, "metrics.jsonl cannot be written: " + Reasons.of(e), "Check the disk", e);
    }
  }

  /** Writes the curves of trainings as one: by step, then in the trainings' order. */
  public void joinMetrics(List<RunFolder> trainings) {
    List<String> lines = new ArrayList<>();
    try {
      for (RunFolder one : trainings) lines.addAll(Files.readAllLines(one.path.resolve(METRICS)));
    } catch (IOException e) {
      throw new InputException(path, "a curve cannot be read: " + Reasons.of(e), "Resume", e);
    }
    lines.sort(Comparator.comparingLong(RunFolder::step)); // Stable.
    AtomicFiles.writeText(path.resolve(METRICS), String.join("\n", lines) + "\n");
  }

  /** A line's step; of a torn line, one beyond all. */
  private static long step(String line) {
    try {
      return JsonMapper.shared().readTree(line).path("step").asLong(Long.MAX_VALUE);
    } catch (JacksonException e) {
      return Long.MAX_VALUE;
    }
  }

  /** Appends records, one JSON object a line. */
  public static final class MetricsWriter implements AutoCloseable {
    private final BufferedWriter writer;

    private MetricsWriter(BufferedWriter writer) {
      this.writer = writer;
    }

    /** Adds a line. */
    public void add(Object line) {
      try {
        writer.write(JsonFile.line(line));
        writer.newLine();
        writer.flush();
      } catch (IOException e) {
        throw new InputException(
            "metrics.jsonl", "cannot be written: " + Reasons.of(e), "Check the disk", e);
      }
    }

    @Override
    public void close() {
      try {
        writer.close();
      } catch (IOException e) {
        throw new InputException(
            "metrics.jsonl", "cannot be closed: " + Reasons.of(e), "Check the disk", e);
      }
    }
  }
}
