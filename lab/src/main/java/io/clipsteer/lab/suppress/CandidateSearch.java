// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.imageset.ImageBatch;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.edit.Edit;
import io.clipsteer.engine.edit.EditSite;
import io.clipsteer.engine.edit.EncodedTokens;
import io.clipsteer.engine.edit.Rule;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Paused;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.lab.run.RunSaes;
import io.clipsteer.lab.run.TowerWalk;
import io.clipsteer.lab.study.Groups;
import io.clipsteer.lab.study.LabelledImages;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** Ranks features on the training images, in one pass of the tower, and proposes edits. */
final class CandidateSearch implements AutoCloseable {
  /**
   * What one SAE shows on the training images.
   *
   * @param trials images for trial edits
   */
  record Scan(RunSaes.One sae, EditSite site, GroupStatistics statistics, TrialImages trials) {}

  private final ClipModel model;
  private final SuppressionSettings settings;
  private final Groups groups;
  private final boolean baselines;
  private final List<Scan> scans = new ArrayList<>();
  private List<ImageLoader.Skipped> skipped = List.of();

  CandidateSearch(
      ClipModel model,
      RunSaes saes,
      SuppressionSettings settings,
      Groups groups,
      boolean baselines) {
    this.model = model;
    this.settings = settings;
    this.groups = groups;
    this.baselines = baselines;
    boolean keep = settings.select() == SuppressionSettings.Select.AUROC;
    int images = Ranking.images(settings.select());
    for (RunSaes.One sae : saes.all()) {
      EditSite site = EditSite.of(sae.point(), tokens(sae), model.vision().config().prefixTokens());
      ImageActivations kept = keep ? new ImageActivations(saes.all().size()) : null;
      scans.add(
          new Scan(
              sae,
              site,
              new GroupStatistics(sae.sae(), groups.count(), kept, baselines),
              new TrialImages(model, site, groups.count(), images)));
    }
  }

  /** The tokens to edit: those of {@code --at}, which the SAE must read. */
  private TokenSelection tokens(RunSaes.One sae) {
    TokenSelection at = settings.at();
    TokenSelection reads = sae.selection();
    if (at == null || at == reads) return reads;
    if (reads != TokenSelection.ALL) {
      String word = reads.name().toLowerCase(Locale.ROOT);
      throw new InputException(
          "--at " + at.name().toLowerCase(Locale.ROOT),
          "the SAE " + sae.entry().folder() + " reads " + word + " only",
          "Use --at " + word);
    }
    return at;
  }

  /** Runs the training images through the tower and collects statistics of every SAE. */
  void scan(List<LabelledImages> parts, Progress progress) {
    List<ImageLoader.Skipped> unreadable = new ArrayList<>();
    long total = LabelledImages.count(parts);
    List<HookPoint> points = scans.stream().map(s -> s.site.point()).toList();
    TowerWalk walk = TowerWalk.past(model.vision(), points);
    double flops = walk.flopsPerImage();
    try (var task = progress.start("ranking features on the training set", total, "images")) {
      for (LabelledImages part : parts) {
        unreadable.addAll(
            part.images()
                .forEach(
                    (batch, pixels) -> {
                      walk.walk(pixels, paused -> record(paused, part, batch));
                      task.advance(batch.count(), flops * batch.count());
                    }));
      }
    }
    skipped = List.copyOf(unreadable);
    if (groups.comparable(scans.getFirst().statistics.images()).isEmpty()) {
      throw new InputException(
          "the training images",
          "for no target are there images both with and without the attribute",
          "Give more training images (--per-group, --train)");
    }
  }

  private void record(Paused paused, LabelledImages part, ImageBatch batch) {
    for (Scan scan : scans) {
      if (!scan.site.point().equals(paused.at())) continue;
      try (Scope scope = Scope.open()) {
        var saes = List.of(scan.sae.sae());
        var tokens = new EncodedTokens(paused.value(), scan.site, saes);
        scan.statistics.add(tokens, part.group(batch));
      }
      scan.trials.add(paused, part, batch);
    }
  }

  List<ImageLoader.Skipped> skipped() {
    return skipped;
  }

  List<Scan> scans() {
    return scans;
  }

  /** The scan of an SAE, named by its folder. */
  Scan of(String sae) {
    return scans.stream().filter(s -> s.sae.entry().folder().equals(sae)).findFirst().orElseThrow();
  }

  /** The edits to select from on validation: at each site features, neurons and a direction. */
  List<Candidate> candidates(Progress progress) {
    List<Candidate> all = new ArrayList<>();
    Set<EditSite> done = new HashSet<>();
    for (Scan scan : scans) {
      Ranking.Ranked ranked = ranking(scan).features(progress);
      int before = 0;
      for (int size : settings.sizes()) {
        Ranking.Ranked first = ranked.first(size);
        if (first.ids().length == before) break; // No feature is left.
        before = first.ids().length;
        all.add(features(Candidate.Family.FEATURES, scan, first));
      }
      // Neurons and the direction belong to the site, not to one of its SAEs.
      if (!baselines || !done.add(scan.site)) continue;
      all.addAll(neurons(scan));
      all.addAll(directions(scan));
    }
    return all;
  }

  Candidate features(Candidate.Family family, Scan scan, Ranking.Ranked chosen) {
    Edit edit = ranking(scan).edit(chosen);
    return new Candidate(family, scan.sae.entry().folder(), chosen.ids().length, edit);
  }

  /** Ranked by the size of their mean difference: a coordinate has no sign of its own. */
  private List<Candidate> neurons(Scan scan) {
    double[] difference = scan.statistics.residualDifference(groups);
    double[] means = scan.statistics.residualMeans();
    for (int j = 0; j < difference.length; j++) difference[j] = Math.abs(difference[j]);
    int[] ranked = Ranking.best(difference, 0, difference.length);
    List<Candidate> all = new ArrayList<>();
    for (int size : settings.sizes()) {
      if (size > ranked.length) break;
      int[] ids = Arrays.copyOf(ranked, size);
      float[] values = new float[size];
      if (settings.change().rule() != SuppressionSettings.ChangeRule.ABLATE) {
        for (int i = 0; i < size; i++) values[i] = (float) means[ids[i]];
      }
      Edit.Target neurons = new Edit.Neurons(difference.length, ids);
      Edit edit = new Edit(scan.site, neurons, new Rule.Set(values));
      all.add(new Candidate(Candidate.Family.NEURONS, "", size, edit));
    }
    return all;
  }

  /** Why each feature of an edit was taken. */
  List<SuppressionReport.Reason> reasons(Candidate candidate, Progress progress) {
    Scan scan = of(candidate.sae());
    int[] ids = ((Edit.Features) candidate.edit().target()).ids();
    double[] with = scan.statistics.featureMeans(groups);
    double[] difference = scan.statistics.featureDifference(groups);
    double[] rise = ranking(scan).effects(ids, progress);
    float[] values = candidate.edit().values();
    float[] strengths = candidate.edit().rule().strengths(ids.length);
    return IntStream.range(0, ids.length)
        .mapToObj(
            i ->
                new SuppressionReport.Reason(
                    ids[i],
                    values[i],
                    strengths[i],
                    with[ids[i]],
                    with[ids[i]] - difference[ids[i]],
                    rise[i]))
        .toList();
  }

  private Ranking ranking(Scan scan) {
    return new Ranking(settings, groups, scan.site, scan.statistics, scan.trials);
  }

  /** Projections that remove the attribute's directions. */
  private List<Candidate> directions(Scan scan) {
    LinearErasure erasure = scan.statistics.erasure(groups);
    List<Candidate> all = new ArrayList<>();
    add(all, Candidate.Family.DIRECTION, scan, erasure.meanDifference());
    add(all, Candidate.Family.ERASURE, scan, erasure.leastSquares());
    int before = 0;
    for (int steps : LinearErasure.STEPS) {
      Edit.Direction probes = erasure.probes(steps);
      if (probes == null || probes.count() == before) break; // Nothing is left to remove.
      before = probes.count();
      add(all, Candidate.Family.PROBES, scan, probes);
    }
    return all;
  }

  private static void add(
      List<Candidate> into, Candidate.Family family, Scan scan, Edit.@Nullable Direction along) {
    if (along == null) return;
    into.add(new Candidate(family, "", along.count(), new Edit(scan.site, along, Rule.ablate())));
  }

  @Override
  public void close() {
    for (Scan scan : scans) scan.trials.close();
  }
}
