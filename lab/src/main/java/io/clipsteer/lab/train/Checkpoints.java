// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.train;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.folder.NewFolder;
import io.clipsteer.data.json.JsonFile;
import io.clipsteer.engine.sae.train.SaeTrainer;
import io.clipsteer.lab.run.RunFolder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;

/**
 * The state of a training in its run's folder: {@code state/STEP/N.safetensors} for each SAE, and
 * {@code state.json}, which names the step and is written last. A run killed at any instant holds
 * one whole state, or none.
 */
final class Checkpoints {
  /**
   * What {@code state.json} says.
   *
   * @param config the run's, as JSON: a state belongs to one configuration
   */
  record Saved(long step, double[] factors, double[] l0, String config) {}

  private final Path run;
  private final String config;
  private final Duration every;
  private final @Nullable Saved saved;
  private long last = System.nanoTime();

  private Checkpoints(Path run, String config, Duration every, @Nullable Saved saved) {
    this.run = run;
    this.config = config;
    this.every = every;
    this.saved = saved;
  }

  /**
   * Looks into a run's folder.
   *
   * @param config the configuration as JSON
   * @param every time between two states
   */
  static Checkpoints of(Path run, String config, Duration every) {
    Path file = run.resolve(RunFolder.STATE);
    if (!Files.isRegularFile(file)) return new Checkpoints(run, config, every, null);
    try {
      Saved saved = JsonFile.MAPPER.readValue(Files.readAllBytes(file), Saved.class);
      if (saved == null
          || saved.config() == null
          || saved.factors() == null
          || saved.l0() == null) {
        throw new InputException(file, "is no state of a training", "Train into a new folder");
      }
      if (!saved.config().equals(config)) {
        throw new InputException(
            file,
            "was made with other options",
            "Resume with the command it was started with, or name a new folder with --out");
      }
      return new Checkpoints(run, config, every, saved);
    } catch (JacksonException | IOException e) {
      throw new InputException(file, "cannot be read", "Train into a new folder", e);
    }
  }

  /** The state to resume from, or null to start afresh. */
  Training.@Nullable State saved() {
    return saved == null ? null : new Training.State(saved.step(), saved.factors(), saved.l0());
  }

  /** Whether it is time to keep a state. */
  boolean isDue() {
    return System.nanoTime() - last >= every.toNanos();
  }

  /** Keeps a state; an uninterrupted training does not depend on it. */
  void keep(Training.State state, List<SaeTrainer> trainers) {
    Path folder = folder(state.step());
    try {
      Files.createDirectories(folder);
      for (int i = 0; i < trainers.size(); i++) trainers.get(i).save(part(state.step(), i));
      AtomicFiles.writeJson(
          run.resolve(RunFolder.STATE),
          new Saved(state.step(), state.factors(), state.l0(), config));
      try (Stream<Path> all = Files.list(run.resolve(RunFolder.STATE_FOLDER))) {
        for (Path other : all.toList()) if (!other.equals(folder)) NewFolder.delete(other);
      }
    } catch (IOException e) {
      throw new InputException(
          folder, "cannot be written: " + Reasons.of(e), "Check the disk's space", e);
    }
    last = System.nanoTime();
  }

  /** Reads an SAE's part of the state. */
  void restore(int sae, SaeTrainer trainer) {
    if (saved == null) throw new IllegalStateException("nothing to restore");
    trainer.resume(part(saved.step(), sae));
  }

  private Path folder(long step) {
    return run.resolve(RunFolder.STATE_FOLDER).resolve(Long.toString(step));
  }

  private Path part(long step, int sae) {
    return folder(step).resolve(sae + ".safetensors");
  }

  /** Takes the state away: the run is finished. */
  void clear() {
    RunFolder.clearState(run);
  }
}
