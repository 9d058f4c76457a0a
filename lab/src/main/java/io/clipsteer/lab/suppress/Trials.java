// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import io.clipsteer.data.Progress;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.lab.answer.ZeroShot;
import io.clipsteer.lab.block.BlockCluster;
import io.clipsteer.lab.block.BlockWork;
import io.clipsteer.lab.run.RunSaes;
import io.clipsteer.lab.study.Groups;
import io.clipsteer.lab.study.LabelledImages;
import io.clipsteer.lab.study.Study;
import java.nio.file.Path;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.IntStream;
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

    /** Of its files and tasks, when it evaluates all images at once. */
    String word() {
      return word;
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
   * A stage's work on a share of its images.
   *
   * @param number from 1 on, of {@link Screening#ROUNDS}; 0 for all images at once
   */
  private record TrialRound(TrialStage stage, int number) {
    static TrialRound of(String word) {
      for (TrialStage stage : TrialStage.values()) {
        for (int number = 0; number <= Screening.ROUNDS.size(); number++) {
          TrialRound round = new TrialRound(stage, number);
          if (round.word().equals(word)) return round;
        }
      }
      throw new IllegalArgumentException(word);
    }

    String word() {
      return number == 0 ? stage.word : stage.word + "-" + number;
    }

    String title() {
      return number == 0
          ? stage.title
          : stage.title + ", round " + number + " of " + Screening.ROUNDS.size();
    }

    Screening.ImageShare share() {
      return number == 0 ? Screening.ImageShare.WHOLE : Screening.ROUNDS.get(number - 1).images();
    }

    boolean isLast() {
      return number == 0 || number == Screening.ROUNDS.size();
    }

    Path in(Path folder) {
      return folder.resolve(word());
    }

    Path candidates(Path folder) {
      return in(folder).resolve("candidates.json");
    }

    Path texts(Path folder) {
      return in(folder).resolve("texts");
    }
  }

  /**
   * Evaluates candidates on validation images: on all of them or, screened, in rounds, of which
   * each drops those that cannot be selected.
   *
   * @param known candidates that were evaluated before, in as many rounds; null for none
   * @return with these
   */
  Screening.Validated validated(
      SuppressionRun run,
      TrialStage stage,
      List<Candidate> candidates,
      Screening.@Nullable Validated known,
      Progress progress) {
    List<LabelledImages> parts = run.study().validation();
    BitSet open = new BitSet();
    open.set(0, candidates.size());
    EditTrial.TrialResult result = null;
    for (int number = run.settings().screen() ? 1 : 0; ; number++) {
      TrialRound round = new TrialRound(stage, number);
      List<Candidate> some = open.stream().mapToObj(candidates::get).toList();
      EditTrial.TrialResult more = run(run, round, some, null, progress);
      result = result == null ? more : result.then(more, open);
      if (round.isLast()) break;
      open = open(run, candidates, result, known, number);
    }
    for (LabelledImages part : parts) {
      int[] wanted = IntStream.of(part.group()).distinct().toArray();
      if (wanted.length > 0 && IntStream.of(wanted).noneMatch(result.groups()::contains)) {
        throw part.images().nothing(result.skipped());
      }
    }
    return known == null
        ? new Screening.Validated(List.copyOf(candidates), result)
        : known.and(candidates, result);
  }

  private static int[] perGroup(List<LabelledImages> parts, Study study) {
    int[] images = new int[study.groups().count()];
    for (LabelledImages part : parts) {
      for (int g : part.group()) if (g != Groups.CLEAN) images[g]++;
    }
    return images;
  }

  /** Which candidates may still be selected after a round, among these and those known. */
  private static BitSet open(
      SuppressionRun run,
      List<Candidate> candidates,
      EditTrial.TrialResult result,
      Screening.@Nullable Validated known,
      int round) {
    int before = known == null ? 0 : known.candidates().size();
    Screening.Validated all =
        known == null
            ? new Screening.Validated(candidates, result)
            : new Screening.Validated(
                    known.candidates(), known.result().first(result.groups().size()))
                .and(candidates, result);
    Study study = run.study();
    return Screening.open(
        all,
        before,
        study.groups(),
        perGroup(study.validation(), study),
        run.settings(),
        Screening.ROUNDS.get(round - 1).most());
  }

  /**
   * Evaluates candidates on the test images.
   *
   * @param texts of Defense-Prefix, for its stage alone
   */
  EditTrial.TrialResult tested(
      SuppressionRun run,
      TrialStage stage,
      List<Candidate> candidates,
      @Nullable TextLibrary texts,
      Progress progress) {
    return run(run, new TrialRound(stage, 0), candidates, texts, progress);
  }

  private EditTrial.TrialResult run(
      SuppressionRun run,
      TrialRound round,
      List<Candidate> candidates,
      @Nullable TextLibrary texts,
      Progress progress) {
    List<LabelledImages> images = round.stage.images(run.model(), run.study(), texts);
    EditTrial trial = new EditTrial(run.model(), images, candidates, round.share());
    if (folder == null) return trial.run(null, round.title(), progress);
    TrialFolder stored = TrialFolder.of(round.in(folder), images, candidates);
    if (cluster == null) return trial.run(stored, round.title(), progress);
    List<Integer> missing = trial.missing(stored);
    new CandidateFile(run.saes()).write(round.candidates(folder), stored.fingerprint(), candidates);
    if (texts != null) texts.write(round.texts(folder));
    cluster.compute(round.word(), missing, trial.count(missing), "images", progress);
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
      TrialRound round = TrialRound.of(word);
      Path file = round.candidates(folder);
      CandidateFile written = new CandidateFile(saes);
      List<Candidate> candidates = written.read(file);
      TextLibrary texts =
          round.stage == TrialStage.PREFIXED ? TextLibrary.read(round.texts(folder)) : null;
      List<LabelledImages> images = round.stage.images(model, study, texts);
      TrialFolder stored = TrialFolder.of(round.in(folder), images, candidates);
      written.check(file, stored.fingerprint());
      EditTrial trial = new EditTrial(model, images, candidates, round.share());
      return new PreparedTrial(trial, stored);
    }
  }
}
