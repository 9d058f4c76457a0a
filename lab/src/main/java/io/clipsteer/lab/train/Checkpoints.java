// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.train;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.folder.Folders;
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

/**
 * The state of a training in its run's folder: {@code state/STEP/N.safetensors} for each SAE, and
 * {@code state.json}, which names the step and is written last. A run killed at any instant holds
 * one whole state, or none.
 */
final class Checkpoints {
  private final RunFolder run;
  private final Duration every;
  private final Training.@Nullable State saved;
  private long last = System.nanoTime();

  /**
   * Reads the state of a run, where there is one.
   *
   * @param every time between two states
   */
  Checkpoints(RunFolder run, Duration every) {
    this.run = run;
    this.every = every;
    this.saved =
        Files.isRegularFile(run.state())
            ? JsonFile.read(run.state(), Training.State.class, "Train into a new folder")
            : null;
  }

  /** The state to resume from, or null to start afresh. */
  Training.@Nullable State saved() {
    return saved;
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
      AtomicFiles.writeJson(run.state(), state);
      try (Stream<Path> all = Files.list(run.states())) {
        for (Path other : all.toList()) if (!other.equals(folder)) Folders.delete(other);
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
    return run.states().resolve(Long.toString(step));
  }

  private Path part(long step, int sae) {
    return folder(step).resolve(sae + ".safetensors");
  }
}
