// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.run;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.folder.FolderLock;
import io.clipsteer.data.folder.NewFolder;
import io.clipsteer.data.json.JsonFile;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.TokenSelection;
import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.json.JsonMapper;

/**
 * A training run on disk: {@code run.json} (what was trained where, and how well), {@code
 * manifest.json} (how it was made), {@code metrics.jsonl} (the curve), {@code saes/} (SAELens-style
 * folders). {@code run.json} comes last: a folder with it is complete.
 */
public record RunFolder(Path path) {
  private static final String RUN = "run.json";
  private static final String METRICS = "metrics.jsonl";

  /** Names the step of an unfinished training's state; written last. */
  public static final String STATE = "state.json";

  /** The folder of the state's files. */
  public static final String STATE_FOLDER = "state";

  /** Begins the model's name in {@code run.json} where only the hash of its weights is known. */
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
    /** JSON may leave out what a record cannot do without. */
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

  /**
   * A new run's folder: absent, empty, or with nothing but the curve of a run that was stopped, so
   * that nothing worth keeping is overwritten.
   */
  public static RunFolder create(Path path) {
    try {
      if (Files.exists(path) && !Files.isDirectory(path)) {
        throw new InputException(path, "is a file", "Name a new folder for the run");
      }
      if (Files.isDirectory(path)) {
        try (var entries = Files.list(path)) {
          if (entries.anyMatch(entry -> !isEarly(String.valueOf(entry.getFileName())))) {
            throw new InputException(path, "is not empty", "Name a new folder for the run");
          }
        }
      }
      Files.createDirectories(path);
      return new RunFolder(path);
    } catch (IOException e) {
      throw new InputException(path, "cannot be made: " + Reasons.of(e), "Check the path", e);
    }
  }

  /** What a run has before there is anything to keep. */
  private static boolean isEarly(String name) {
    return name.equals(METRICS) || name.equals(FolderLock.NAME);
  }

  /** Refuses what cannot hold a training. */
  public static void requireBegun(Path path) {
    if (!Files.isDirectory(path)) {
      throw new InputException(path, "holds no training to continue", "Start without --resume");
    }
  }

  /** Deletes a finished run's state. */
  public static void clearState(Path run) {
    try {
      Files.deleteIfExists(run.resolve(STATE));
      NewFolder.delete(run.resolve(STATE_FOLDER));
    } catch (IOException e) {
      throw new InputException(
          run.resolve(STATE), "cannot be deleted: " + Reasons.of(e), "Delete it by hand", e);
    }
  }

  /** A stopped training's folder, to go on in; nobody else may be writing there. */
  public static RunFolder continued(Path path) {
    if (Files.isRegularFile(path.resolve(RUN))) {
      // Killed between its last two steps, a run is finished and still has its state.
      clearState(path);
      throw new InputException(path, "holds a finished run", "Leave --resume out and name another");
    }
    List<String> own = List.of(METRICS, STATE, STATE_FOLDER, "saes", "manifest.json");
    try (var entries = Files.list(path)) {
      for (Path entry : entries.toList()) {
        String name = String.valueOf(entry.getFileName());
        if (!own.contains(name) && !name.startsWith("pareto.") && !name.startsWith(".")) {
          throw new InputException(path, "holds " + name, "Name a stopped training's folder");
        }
      }
    } catch (IOException e) {
      throw new InputException(path, "cannot be read: " + Reasons.of(e), "Check the path", e);
    }
    AtomicFiles.sweep(path);
    return new RunFolder(path);
  }

  /** Takes a run's folder away again, where nothing but an empty curve got into it. */
  public void removeIfUnused() {
    Path curve = path.resolve(METRICS);
    try (var entries = Files.list(path)) {
      List<Path> files = entries.toList();
      if (!files.isEmpty() && !(files.equals(List.of(curve)) && Files.size(curve) == 0)) return;
      Files.deleteIfExists(curve);
      Files.delete(path);
    } catch (IOException e) {
      // The failure that led here says more than this one; an empty folder may stay behind.
    }
  }

  /** An SAE's name: the last part of its folder. */
  public static String name(String folder) {
    return folder.substring(folder.lastIndexOf('/') + 1);
  }

  /** Writes {@code run.json}. */
  public void write(Run run) {
    AtomicFiles.writeJson(path.resolve(RUN), run);
  }

  /** Reads {@code run.json}. */
  public Run read() {
    Path file = path.resolve(RUN);
    if (!Files.isRegularFile(file)) {
      throw new InputException(
          path, "holds no finished run (no " + RUN + ")", "Make one with clipsteer train");
    }
    try {
      Run run = JsonFile.MAPPER.readValue(Files.readAllBytes(file), Run.class);
      if (run == null || run.model() == null || run.saes() == null || run.saes().isEmpty()) {
        throw new InputException(file, "names no model or no SAE", "Train again");
      }
      for (SaeEntry sae : run.saes()) {
        if (sae == null || !sae.isWhole()) {
          throw new InputException(
              file, "an SAE lacks its folder, hook point, tokens or variant", "Restore the file");
        }
      }
      return run;
    } catch (JacksonException e) {
      throw new InputException(file, "cannot be read: " + Reasons.of(e), "Train again", e);
    } catch (IOException e) {
      throw new InputException(file, "cannot be read: " + Reasons.of(e), "Check it", e);
    }
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
