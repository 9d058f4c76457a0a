// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import io.clipsteer.data.Progress;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.lab.answer.ZeroShot;
import io.clipsteer.lab.block.BlockCluster;
import io.clipsteer.lab.block.BlockWork;
import io.clipsteer.lab.run.RunSaes;
import io.clipsteer.lab.study.LabelledImages;
import io.clipsteer.lab.study.Study;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * Where a suppression's trials are kept, and who evaluates them.
 *
 * @param folder of all trials; null for none
 * @param cluster that evaluates, of processes which see the folder; null for this process
 */
record Trials(@Nullable Path folder, BlockCluster.@Nullable ClusterSession cluster) {
  /** This process, which keeps nothing. */
  static final Trials HERE = new Trials(null, null);

  /** What is evaluated, each time other edits or other images. */
  enum TrialStage {
    SIZES("validation-sizes", "validation: selecting sizes"),
    STRENGTHS("validation-strengths", "validation: selecting strengths"),
    TEST("test", "evaluating on the test set"),
    PREFIXED("prefixed", "evaluating Defense-Prefix on the test set");

    private final String word;
    private final String title;

    TrialStage(String word, String title) {
      this.word = word;
      this.title = title;
    }

    /** Of its files and tasks. */
    String word() {
      return word;
    }

    private static TrialStage of(String word) {
      for (TrialStage stage : values()) if (stage.word.equals(word)) return stage;
      throw new IllegalArgumentException(word);
    }

    private Path in(Path folder) {
      return folder.resolve(word);
    }

    private Path candidates(Path folder) {
      return in(folder).resolve("candidates.json");
    }

    private Path texts(Path folder) {
      return in(folder).resolve("texts");
    }

    /**
     * The images.
     *
     * @param texts of Defense-Prefix
     */
    private List<LabelledImages> images(ClipModel model, Study study, @Nullable TextLibrary texts) {
      if (this == SIZES || this == STRENGTHS) return study.validation();
      if (texts == null) return study.test();
      var head = ZeroShot.head(model, texts);
      return study.test().stream()
          .map(c -> new LabelledImages(c.images(), head, c.truth(), c.group()))
          .toList();
    }
  }

  /**
   * Evaluates candidates.
   *
   * @param texts of Defense-Prefix, for its stage alone
   */
  EditTrial.TrialResult run(
      SuppressionRun run,
      TrialStage stage,
      List<Candidate> candidates,
      @Nullable TextLibrary texts,
      Progress progress) {
    List<LabelledImages> images = stage.images(run.model(), run.study(), texts);
    if (folder == null || cluster == null) {
      Path own = folder == null ? null : stage.in(folder);
      return EditTrial.run(run.model(), images, candidates, own, stage.title, progress);
    }
    TrialFolder stored = TrialFolder.of(stage.in(folder), images, candidates);
    EditTrial trial = new EditTrial(run.model(), images, candidates);
    List<Integer> missing = trial.missing(stored);
    new CandidateFile(run.saes()).write(stage.candidates(folder), stored.fingerprint(), candidates);
    if (texts != null) texts.write(stage.texts(folder));
    cluster.compute(stage.word, missing, trial.count(missing), "images", progress);
    return trial.joined(stored);
  }

  /** What a process of a cluster does: it evaluates blocks of the stages. */
  record Shared(
      ClipModel model, RunSaes saes, Study study, Path folder, Map<String, PreparedTrial> stages)
      implements BlockWork {
    /** A stage, ready to be evaluated. */
    record PreparedTrial(EditTrial trial, TrialFolder stored) {}

    Shared(ClipModel model, RunSaes saes, Study study, Path folder) {
      this(model, saes, study, folder, new ConcurrentHashMap<>());
    }

    @Override
    public long compute(String stage, int block) {
      PreparedTrial ready = stages.computeIfAbsent(stage, this::prepare);
      TrialBlock evaluated = ready.trial.block(block);
      ready.stored.write(block, evaluated);
      return evaluated.groups().size();
    }

    private PreparedTrial prepare(String word) {
      TrialStage stage = TrialStage.of(word);
      Path file = stage.candidates(folder);
      CandidateFile written = new CandidateFile(saes);
      List<Candidate> candidates = written.read(file);
      TextLibrary texts =
          stage == TrialStage.PREFIXED ? TextLibrary.read(stage.texts(folder)) : null;
      List<LabelledImages> images = stage.images(model, study, texts);
      TrialFolder stored = TrialFolder.of(stage.in(folder), images, candidates);
      written.check(file, stored.fingerprint());
      return new PreparedTrial(new EditTrial(model, images, candidates), stored);
    }
  }
}
