// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import io.clipsteer.data.Progress;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.stats.Holm;
import io.clipsteer.data.stats.Paired;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.edit.Edit;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.lab.run.RunSaes;
import io.clipsteer.lab.study.LabelledImages;
import io.clipsteer.lab.study.Study;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * Finds the features that a model wrongly relies on, takes them away, and proves the effect:
 * features are ranked on training images, their number and the layer are chosen on validation
 * images, and the one edit chosen is asked once on test images, beside the baselines, which are
 * chosen and asked in the same way.
 *
 * @param saes of the layers wanted
 * @param prefixed how Defense-Prefix is to be learnt as well, or null
 */
public record SuppressionRun(
    ClipModel model,
    RunSaes saes,
    Study study,
    SuppressionSettings settings,
    @Nullable PrefixSettings prefixed) {
  private static final int BOOTSTRAP = 2000;

  public SuppressionRun {
    if (prefixed != null && study.groups().clean() < 0) {
      throw new IllegalArgumentException("Defense-Prefix is for written words");
    }
  }

  /** Without Defense-Prefix. */
  public SuppressionRun(ClipModel model, RunSaes saes, Study study, SuppressionSettings settings) {
    this(model, saes, study, settings, null);
  }

  /** Does it all in one go. */
  public SuppressionReport run(boolean baselines, Progress progress) {
    return run(baselines, null, progress);
  }

  /**
   * Does it all.
   *
   * @param notes folder to note in what has been asked; another start with the same folder asks the
   *     rest. What training images tell is found again. Null for none
   */
  public SuppressionReport run(boolean baselines, @Nullable Path notes, Progress progress) {
    long start = System.nanoTime();
    // What makes it impossible is found before hours of work, not after.
    List<String> answers = study.test().getFirst().library().words();
    DefensePrefix prefix =
        prefixed == null
            ? null
            : new DefensePrefix(model, prefixed.wording().split(model, answers), prefixed.steps());
    try (CandidateSearch training = new CandidateSearch(model, saes, settings, study.groups())) {
      training.look(study.train(), progress);
      List<Candidate> candidates = training.candidates(baselines, progress);
      EditTrial.Result validated =
          EditTrial.run(
              model,
              study.validation(),
              candidates,
              file(notes, "validation"),
              "choosing on validation",
              progress);
      List<Choice> choices = Choice.all(candidates, study.groups(), validated);
      Choice chosen = Choice.best(choices, Candidate.Family.FEATURES, study.groups(), settings);
      List<Candidate> finals = new ArrayList<>();
      if (chosen != null) finals.add(chosen.candidate());
      if (baselines) finals.addAll(rivals(choices, chosen, training));
      EditTrial.Result tested =
          EditTrial.run(
              model, study.test(), finals, file(notes, "test"), "asking the test images", progress);
      GroupScore plain =
          GroupScore.of(study.groups(), validated.groups(), validated.before(), validated.before());
      TextLibrary prefixedTexts =
          prefix == null ? null : prefix.learn(study.train(), settings.seed(), progress);
      List<SuppressionReport.Combined> combined =
          prefixedTexts == null
              ? List.of()
              : combined(prefixedTexts, chosen, tested, file(notes, "prefixed"), progress);
      return report(
          new Ending(
              training,
              choices,
              chosen,
              finals,
              validated,
              tested,
              prefixedTexts,
              combined,
              plain,
              baselines),
          start);
    }
  }

  private static @Nullable Path file(@Nullable Path notes, String name) {
    return notes == null ? null : notes.resolve(name + ".json");
  }

  /** What the report is made of. */
  private record Ending(
      CandidateSearch training,
      List<Choice> choices,
      @Nullable Choice chosen,
      List<Candidate> finals,
      EditTrial.Result validated,
      EditTrial.Result tested,
      @Nullable TextLibrary prefixedTexts,
      List<SuppressionReport.Combined> combined,
      GroupScore plain,
      boolean rivals) {}

  /** No defence, the learnt prefix, the edit, both: on the same test images. */
  private List<SuppressionReport.Combined> combined(
      TextLibrary learnt,
      @Nullable Choice chosen,
      EditTrial.Result tested,
      @Nullable Path notes,
      Progress progress) {
    List<LabelledImages> asked =
        study.test().stream()
            .map(c -> new LabelledImages(c.images(), learnt, c.truth(), c.group()))
            .toList();
    List<Candidate> edit = chosen == null ? List.of() : List.of(chosen.candidate());
    EditTrial.Result with =
        EditTrial.run(
            model, asked, edit, notes, "asking the test images with the prefix", progress);
    List<SuppressionReport.Combined> all = new ArrayList<>();
    all.add(combined("no defence", tested, tested.before()));
    all.add(combined("Defense-Prefix", tested, with.before()));
    if (chosen != null) {
      all.add(combined("edit", tested, tested.after().getFirst()));
      all.add(combined("Defense-Prefix and edit", tested, with.after().getFirst()));
    }
    return List.copyOf(all);
  }

  private SuppressionReport.Combined combined(String name, EditTrial.Result tested, BitSet right) {
    GroupScore score = GroupScore.of(study.groups(), tested.groups(), tested.before(), right);
    Paired clean = score.groups().get(0);
    Paired written = score.groups().get(1);
    return new SuppressionReport.Combined(name, clean.after(), written.after(), written.test().p());
  }

  /** The baselines that are asked on test images. */
  private List<Candidate> rivals(
      List<Choice> choices, @Nullable Choice chosen, CandidateSearch training) {
    List<Candidate> rivals = new ArrayList<>();
    for (var family : List.of(Candidate.Family.NEURONS, Candidate.Family.DIRECTION)) {
      Choice best = Choice.best(choices, family, study.groups(), settings);
      if (best != null) rivals.add(best.candidate());
    }
    if (chosen == null) return rivals;
    Candidate method = chosen.candidate();
    CandidateSearch.Spot spot =
        training.spots().stream()
            .filter(s -> s.one().entry().folder().equals(method.sae()))
            .findFirst()
            .orElseThrow();
    for (int draw = 0; draw < settings.draws(); draw++) {
      long seed = settings.seed() * 1_000_003 + draw;
      int[] ids = drawn(spot.seen().alive(), method.size(), seed);
      rivals.add(training.features(Candidate.Family.RANDOM_FEATURES, spot, ids));
    }
    for (int draw = 0; draw < settings.draws(); draw++) {
      Edit noise = Edit.noise(method.edit(), settings.seed() * 1_000_003 + draw);
      rivals.add(new Candidate(Candidate.Family.RANDOM_DIRECTIONS, method.sae(), 1, noise));
    }
    return rivals;
  }

  private static int[] drawn(int[] from, int count, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    int[] all = from.clone();
    int n = Math.min(count, all.length);
    for (int i = 0; i < n; i++) {
      int j = i + random.nextInt(all.length - i);
      int other = all[i];
      all[i] = all[j];
      all[j] = other;
    }
    return java.util.Arrays.copyOf(all, n);
  }

  // ---- the report ------------------------------------------------------------------------------

  private SuppressionReport report(Ending end, long start) {
    // Named before the test images are seen, so that the test is of one hypothesis.
    int worst = end.plain.worstGroup();
    Choice chosen = end.chosen;
    GroupScore test =
        chosen == null
            ? GroupScore.of(
                study.groups(), end.tested.groups(), end.tested.before(), end.tested.before())
            : score(end, 0);
    Paired group = test.groups().get(worst);
    List<ImageLoader.Skipped> skipped = new ArrayList<>(end.training.skipped());
    skipped.addAll(end.validated.skipped());
    skipped.addAll(end.tested.skipped());
    return new SuppressionReport(
        study,
        settings,
        model.source().path().toAbsolutePath().normalize().toString(),
        chosen == null ? null : SuppressionReport.Chosen.of(chosen.candidate()),
        test,
        worst,
        group.n() == 0 ? 0 : group.n(),
        Paired.worstGain(test.filled(), BOOTSTRAP, settings.seed()),
        chosen == null ? end.plain : chosen.score(),
        sweep(end, worst),
        baselines(end, worst),
        leftOut(end),
        end.prefixedTexts,
        end.combined,
        List.copyOf(skipped),
        (System.nanoTime() - start) * 1e-9);
  }

  private GroupScore score(Ending end, int candidate) {
    return GroupScore.of(
        study.groups(),
        end.tested.groups(),
        end.tested.before(),
        end.tested.after().get(candidate));
  }

  /** The best of every SAE on validation images, and what it is worth over all of them. */
  private List<SuppressionReport.Swept> sweep(Ending end, int worst) {
    Map<String, List<Choice>> bySae = new LinkedHashMap<>();
    for (CandidateSearch.Spot spot : end.training.spots()) {
      bySae.put(spot.one().entry().folder(), new ArrayList<>());
    }
    for (Choice choice : end.choices) {
      List<Choice> own = bySae.get(choice.candidate().sae());
      if (own != null) own.add(choice);
    }
    List<@Nullable Choice> bests = new ArrayList<>();
    for (List<Choice> own : bySae.values()) {
      bests.add(Choice.best(own, Candidate.Family.FEATURES, study.groups(), settings));
    }
    double[] p =
        bests.stream()
            .mapToDouble(best -> best == null ? 1 : best.score().test(worst).p())
            .toArray();
    double[] adjusted = Holm.adjust(p);
    List<SuppressionReport.Swept> swept = new ArrayList<>();
    for (int i = 0; i < p.length; i++) {
      CandidateSearch.Spot spot = end.training.spots().get(i);
      swept.add(
          new SuppressionReport.Swept(
              spot.place().point().layer(),
              spot.one().entry().folder(),
              bests.get(i),
              p[i],
              adjusted[i],
              end.choices.stream()
                  .filter(c -> c.candidate().sae().equals(spot.one().entry().folder()))
                  .toList()));
    }
    return List.copyOf(swept);
  }

  /** Why baselines are missing. */
  private static List<SuppressionReport.LeftOut> leftOut(Ending end) {
    List<SuppressionReport.LeftOut> all = new ArrayList<>();
    for (Candidate.Family family : Candidate.Family.values()) {
      boolean asked = end.finals.stream().anyMatch(one -> one.family() == family);
      if (family == Candidate.Family.FEATURES || asked) continue;
      boolean own = end.choices.stream().anyMatch(c -> c.candidate().family() == family);
      boolean drawn =
          family == Candidate.Family.RANDOM_FEATURES
              || family == Candidate.Family.RANDOM_DIRECTIONS;
      String why =
          !end.rivals
              ? "--baselines none"
              : drawn
                  ? "they take place and size of the features chosen, and none were"
                  : own
                      ? "on validation images none that is allowed helps"
                      : "there is none to ask";
      all.add(new SuppressionReport.LeftOut(family.word(), why));
    }
    return List.copyOf(all);
  }

  private List<SuppressionReport.Baseline> baselines(Ending end, int worst) {
    Map<Candidate.Family, List<Integer>> byFamily = new LinkedHashMap<>();
    for (int c = end.chosen == null ? 0 : 1; c < end.finals.size(); c++) {
      byFamily.computeIfAbsent(end.finals.get(c).family(), f -> new ArrayList<>()).add(c);
    }
    List<SuppressionReport.Baseline> all = new ArrayList<>();
    byFamily.forEach(
        (family, numbers) ->
            all.add(
                SuppressionReport.Baseline.of(
                    end.finals.get(numbers.getFirst()),
                    numbers.stream().map(c -> score(end, c)).toList(),
                    worst)));
    return List.copyOf(all);
  }
}
