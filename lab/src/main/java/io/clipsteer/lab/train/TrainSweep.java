// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.train;

import io.clipsteer.data.Progress;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.folder.Folders;
import io.clipsteer.data.folder.WorkFolder;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.json.JsonFile;
import io.clipsteer.lab.block.BlockWork;
import io.clipsteer.lab.run.Reconstruction;
import io.clipsteer.lab.run.RunFolder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * The SAEs of a training, each trained apart in a run's folder of its own ({@code apart/N/}), with
 * states to resume from, and joined to one run.
 */
public final class TrainSweep implements BlockWork {
  static final String STAGE = "training";

  private static final String RESULT = "trained.json";

  /**
   * A training's figures of its one SAE.
   *
   * @param factor of its penalty at the end
   */
  private record TrainedApart(
      double factor,
      int features,
      Reconstruction quality,
      long images,
      long evaluationImages,
      List<ImageLoader.Skipped> skipped,
      double trainTokensPerSecond) {}

  private final TrainRun run;

  /** The SAEs of a run. */
  public TrainSweep(TrainRun run) {
    this.run = run;
  }

  private RunFolder folder(int sae) {
    return new RunFolder(run.out().resolve(RunFolder.APART).resolve("" + sae));
  }

  private Path result(int sae) {
    return folder(sae).path().resolve(RESULT);
  }

  /** The SAEs that are not trained yet, by number. */
  public List<Integer> missing() {
    return IntStream.range(0, run.config().saes().size())
        .filter(sae -> !Files.isRegularFile(result(sae)))
        .boxed()
        .toList();
  }

  /** Trains an SAE, or resumes its training; returns tokens. */
  @Override
  public long compute(String stage, int sae) {
    Path path = folder(sae).path();
    if (folder(sae).isFinished()) Folders.delete(path); // Killed before its figures were written.
    TrainConfig config = run.config().only(run.config().saes().get(sae));
    var own =
        new TrainRun(
            run.source(),
            config,
            run.command(),
            path,
            WorkFolder.isStopped(path),
            run.checkpoints(),
            null);
    Training.Finished result = own.run(Progress.SILENT);
    Training.Trained one = result.saes().getFirst();
    AtomicFiles.writeJson(
        result(sae),
        new TrainedApart(
            one.factor(),
            one.features(),
            one.quality(),
            result.images(),
            result.evaluationImages(),
            result.skipped(),
            result.trainTokensPerSecond()));
    return config.schedule().trainTokens();
  }

  /** Writes the run of all SAEs. */
  Training.Finished join(RunFolder to) {
    long start = System.nanoTime();
    List<Training.Trained> all = new ArrayList<>();
    List<RunFolder.SaeEntry> entries = new ArrayList<>();
    List<TrainedApart> parts = new ArrayList<>();
    for (int sae = 0; sae < run.config().saes().size(); sae++) {
      TrainedApart part =
          JsonFile.read(result(sae), TrainedApart.class, "Delete its folder, and resume");
      parts.add(part);
      RunFolder.SaeEntry entry = folder(sae).read().saes().getFirst();
      copy(folder(sae).sae(entry), to.sae(entry));
      entries.add(entry);
      SaeSpec spec = run.config().saes().get(sae);
      all.add(new Training.Trained(spec, part.factor, part.features, part.quality));
    }
    to.joinMetrics(IntStream.range(0, all.size()).mapToObj(this::folder).toList());
    Pareto.write(to, all);
    to.write(new RunFolder.Run(run.source().model(), entries));
    TrainedApart first = parts.getFirst();
    double slowness = parts.stream().mapToDouble(part -> 1 / part.trainTokensPerSecond).sum();
    return new Training.Finished(
        all,
        first.images,
        first.evaluationImages,
        first.skipped,
        0,
        parts.size() / slowness,
        (System.nanoTime() - start) * 1e-9);
  }

  /** An SAE's folder appears whole. */
  private static void copy(Path from, Path to) {
    if (Files.exists(to)) Folders.delete(to); // Of a join that was killed.
    WorkFolder.write(
        to,
        folder -> {
          try (Stream<Path> files = Files.list(from)) {
            for (Path file : files.toList()) {
              Files.copy(file, folder.resolve(String.valueOf(file.getFileName())));
            }
          }
          return to;
        });
  }
}
