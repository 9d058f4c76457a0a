// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import io.clipsteer.data.Progress;
import io.clipsteer.data.stats.Holm;
import io.clipsteer.data.stats.Paired;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.edit.Edit;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.lab.block.BlockCluster;
import io.clipsteer.lab.block.BlockWork;
import io.clipsteer.lab.block.WorkPlan;
import io.clipsteer.lab.run.RunSaes;
import io.clipsteer.lab.study.Study;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Finds the features of a shortcut, ablates them and measures the effect. Features are ranked on
 * training images; layer and number are selected on validation images; the one selected edit is
 * evaluated once on the test set, beside baselines that are selected and evaluated the same way.
 *
 * @param saes of the layers to search
 * @param prefixed how Defense-Prefix is learnt as well, or null
 */
public record SuppressionRun(
    ClipModel model,
    RunSaes saes,
    Study study,
    SuppressionSettings settings,
    @Nullable PrefixSettings prefixed) {
  private static final Set<Candidate.Family> RANDOM =
      EnumSet.of(Candidate.Family.RANDOM_FEATURES, Candidate.Family.RANDOM_DIRECTIONS);

  public SuppressionRun {
    if (prefixed != null && study.groups().clean() < 0) {
      throw new IllegalArgumentException("Defense-Prefix is for written words");
    }
  }

  /** Without Defense-Prefix. */
  public SuppressionRun(ClipModel model, RunSaes saes, Study study, SuppressionSettings settings) {
    this(model, saes, study, settings, null);
  }

  /** Runs without saving progress. */
  public SuppressionReport run(boolean baselines, Progress progress) {
    return run(baselines, Trials.HERE, progress);
  }

  /**
   * Runs.
   *
   * @param folder in which evaluations save their progress; a run with the same folder resumes
   *     them. Features are ranked anew
   * @param cluster that evaluates edits, while this process does the rest; null for this process
   */
  public SuppressionReport run(
      boolean baselines,
      Path folder,
      BlockCluster.@Nullable ClusterSession cluster,
      Progress progress) {
    return run(baselines, new Trials(folder, cluster), progress);
  }

  /**
   * The evaluations of a run in another process.
   *
   * @param folder of the run, in which it saves its progress
   */
  public BlockWork shared(Path folder) {
    return new Trials.Shared(model, saes, study, folder);
  }

  /** What it costs, as far as that is known before features are ranked. */
  public WorkPlan plan(boolean baselines) {
    return SuppressionPlan.of(this, baselines);
  }

  private SuppressionReport run(boolean baselines, Trials trials, Progress progress) {
    long start = System.nanoTime();
    DefensePrefix prefix = prefix(); // Refuses what cannot be learnt before hours of work.
    try (CandidateSearch search =
        new CandidateSearch(model, saes, settings, study.groups(), baselines)) {
      search.scan(study.train(), progress);
      Screening.Validated validated =
          trials.validated(
              this, Trials.TrialStage.SIZES, search.candidates(progress), null, progress);
      List<Candidate> others =
          Choice.strengths(
              Choice.all(validated.candidates(), study.groups(), validated.result()),
              study.groups(),
              settings.goal());
      if (!others.isEmpty()) {
        validated =
            trials.validated(this, Trials.TrialStage.STRENGTHS, others, validated, progress);
      }
      List<Candidate> candidates = validated.candidates();
      EditTrial.TrialResult validation = validated.result();
      List<Choice> choices = Choice.all(candidates, study.groups(), validation);
      Choice chosen = Choice.best(choices, Candidate.Family.FEATURES, study.groups(), settings);
      List<Candidate> finalists = new ArrayList<>();
      if (chosen != null) finalists.add(chosen.candidate());
      if (baselines) finalists.addAll(baselines(choices, chosen, search));
      EditTrial.TrialResult test =
          trials.tested(this, Trials.TrialStage.TEST, finalists, null, progress);
      TextLibrary prefixedTexts =
          prefix == null ? null : prefix.learn(study.train(), settings.seed(), progress);
      GroupScore unedited = validation.score(study.groups(), validation.before());
      int worst = unedited.worstGroup();
      return new SuppressionReport(
          model.source().path().toAbsolutePath().normalize().toString(),
          study,
          settings,
          chosen == null
              ? null
              : SuppressionReport.Chosen.of(
                  chosen.candidate(), search.reasons(chosen.candidate(), progress)),
          chosen == null ? unedited : chosen.score(),
          chosen == null
              ? null
              : Stability.of(candidates, study.groups(), validation, settings, chosen.candidate()),
          test.score(study.groups(), chosen == null ? test.before() : test.after().getFirst()),
          sweep(search, choices, worst),
          choices.stream().map(SuppressionReport.Tried::of).toList(),
          evaluated(finalists, test, worst),
          chosen == null ? null : against(finalists, test),
          skipped(finalists, choices, baselines),
          prefixedTexts,
          prefixedTexts == null
              ? List.of()
              : defences(prefixedTexts, chosen, test, trials, progress),
          Stream.of(search.skipped(), validation.skipped(), test.skipped())
              .flatMap(List::stream)
              .toList(),
          (System.nanoTime() - start) * 1e-9);
    }
  }

  // ---- baselines -------------------------------------------------------------------------------

  /** Baselines for the test set: the best neurons and direction, and random controls. */
  private List<Candidate> baselines(
      List<Choice> choices, @Nullable Choice chosen, CandidateSearch search) {
    List<Candidate> all = new ArrayList<>();
    for (Candidate.Family family : Candidate.Family.values()) {
      if (family == Candidate.Family.FEATURES || RANDOM.contains(family)) continue;
      Choice best = Choice.best(choices, family, study.groups(), settings);
      if (best != null) all.add(best.candidate());
    }
    if (chosen == null) return all;
    Candidate method = chosen.candidate();
    CandidateSearch.Scan scan = search.of(method.sae());
    for (int sample = 0; sample < settings.draws(); sample++) {
      int[] ids = sample(scan.statistics().alive(), method.size(), seed(sample));
      float[] strengths = method.edit().rule().strengths(ids.length);
      Ranking.Ranked random = new Ranking.Ranked(ids, Arrays.copyOf(strengths, ids.length));
      all.add(search.features(Candidate.Family.RANDOM_FEATURES, scan, random));
    }
    for (int sample = 0; sample < settings.draws(); sample++) {
      Edit noise = Edit.noise(method.edit(), seed(sample));
      all.add(new Candidate(Candidate.Family.RANDOM_DIRECTIONS, method.sae(), 1, noise));
    }
    return all;
  }

  private long seed(int sample) {
    return settings.seed() * 1_000_003 + sample;
  }

  private static int[] sample(int[] from, int count, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    int[] all = from.clone();
    int n = Math.min(count, all.length);
    for (int i = 0; i < n; i++) {
      int j = i + random.nextInt(all.length - i);
      int other = all[i];
      all[i] = all[j];
      all[j] = other;
    }
    return Arrays.copyOf(all, n);
  }

  private List<SuppressionReport.Baseline> evaluated(
      List<Candidate> finalists, EditTrial.TrialResult test, int worst) {
    List<SuppressionReport.Baseline> all = new ArrayList<>();
    for (Candidate.Family family : Candidate.Family.values()) {
      int[] own =
          IntStream.range(0, finalists.size())
              .filter(c -> finalists.get(c).family() == family)
              .toArray();
      if (family == Candidate.Family.FEATURES || own.length == 0) continue;
      List<GroupScore> scores =
          IntStream.of(own).mapToObj(c -> test.score(study.groups(), test.after().get(c))).toList();
      all.add(SuppressionReport.Baseline.of(finalists.get(own[0]), scores, worst));
    }
    return List.copyOf(all);
  }

  /** The first finalist, the method, against the best baseline that is not random. */
  private SuppressionReport.@Nullable Against against(
      List<Candidate> finalists, EditTrial.TrialResult test) {
    int best = -1;
    double most = Double.NEGATIVE_INFINITY;
    for (int c = 1; c < finalists.size(); c++) {
      if (RANDOM.contains(finalists.get(c).family())) continue;
      double reached = test.score(study.groups(), test.after().get(c)).worstAfter();
      if (reached <= most) continue;
      most = reached;
      best = c;
    }
    if (best < 0) return null;
    GroupScore paired =
        GroupScore.of(
            study.groups(), test.groups(), test.after().get(best), test.after().getFirst());
    String name = finalists.get(best).family().toString();
    return SuppressionReport.Against.of(name, paired, settings.seed());
  }

  /** Why baselines were not evaluated. */
  private static Map<String, String> skipped(
      List<Candidate> finalists, List<Choice> choices, boolean baselines) {
    Map<String, String> reasons = new LinkedHashMap<>();
    for (Candidate.Family family : Candidate.Family.values()) {
      boolean evaluated = finalists.stream().anyMatch(one -> one.family() == family);
      if (family == Candidate.Family.FEATURES || evaluated) continue;
      String reason =
          !baselines
              ? "--baselines none"
              : RANDOM.contains(family)
                  ? "random controls copy the selected layer and count, and nothing was selected"
                  : choices.stream().anyMatch(c -> c.candidate().family() == family)
                      ? "no setting within --max-clean-loss improves validation"
                      : "there is no candidate";
      reasons.put(family.toString(), reason);
    }
    return reasons;
  }

  // ---- Defense-Prefix --------------------------------------------------------------------------

  private @Nullable DefensePrefix prefix() {
    if (prefixed == null) return null;
    List<String> targets = study.test().getFirst().head().words();
    return new DefensePrefix(model, prefixed.prompts().split(model, targets), prefixed.steps());
  }

  /** No defence, Defense-Prefix, the edit, and both, on the same test images. */
  private List<SuppressionReport.Defended> defences(
      TextLibrary texts,
      @Nullable Choice chosen,
      EditTrial.TrialResult test,
      Trials trials,
      Progress progress) {
    List<Candidate> edits = chosen == null ? List.of() : List.of(chosen.candidate());
    EditTrial.TrialResult with =
        trials.tested(this, Trials.TrialStage.PREFIXED, edits, texts, progress);
    List<SuppressionReport.Defended> all = new ArrayList<>();
    all.add(defended("no defence", test, test.before()));
    all.add(defended("Defense-Prefix", test, with.before()));
    if (chosen != null) {
      all.add(defended("edit", test, test.after().getFirst()));
      all.add(defended("Defense-Prefix and edit", test, with.after().getFirst()));
    }
    return List.copyOf(all);
  }

  private SuppressionReport.Defended defended(
      String name, EditTrial.TrialResult test, BitSet right) {
    GroupScore score = test.score(study.groups(), right);
    Paired written = score.groups().get(1);
    return new SuppressionReport.Defended(
        name, score.groups().get(0).after(), written.after(), written.test().p());
  }

  // ---- the sweep over SAEs ---------------------------------------------------------------------

  /** The best set of every SAE on validation images, with p-values adjusted over the SAEs. */
  private List<SuppressionReport.Swept> sweep(
      CandidateSearch search, List<Choice> choices, int worst) {
    List<@Nullable Choice> bests = new ArrayList<>();
    for (CandidateSearch.Scan scan : search.scans()) {
      List<Choice> own = of(scan, choices);
      bests.add(Choice.best(own, Candidate.Family.FEATURES, study.groups(), settings));
    }
    double[] p =
        bests.stream()
            .mapToDouble(best -> best == null ? 1 : best.score().test(worst).p())
            .toArray();
    double[] adjusted = Holm.adjust(p);
    List<SuppressionReport.Swept> swept = new ArrayList<>();
    for (int i = 0; i < p.length; i++) {
      CandidateSearch.Scan scan = search.scans().get(i);
      Choice best = bests.get(i);
      swept.add(
          new SuppressionReport.Swept(
              scan.site().point().layer(),
              scan.sae().entry().folder(),
              best == null ? 0 : best.candidate().size(),
              best == null ? null : best.score().worstAfter(),
              p[i],
              adjusted[i],
              of(scan, choices).stream()
                  .map(choice -> SuppressionReport.SetSize.of(choice, study.groups(), settings))
                  .toList()));
    }
    return List.copyOf(swept);
  }

  private static List<Choice> of(CandidateSearch.Scan scan, List<Choice> choices) {
    String sae = scan.sae().entry().folder();
    return choices.stream().filter(c -> c.candidate().sae().equals(sae)).toList();
  }
}
