// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
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
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** The training images go through the tower once; out come the edits that might be chosen. */
final class CandidateSearch implements AutoCloseable {
  /** An SAE with what it saw. */
  record Spot(RunSaes.One one, EditSite place, GroupStatistics seen, @Nullable TrialImages probe) {}

  private final ClipModel model;
  private final SuppressionSettings settings;
  private final Groups groups;
  private final List<Spot> spots = new ArrayList<>();
  private List<ImageLoader.Skipped> skipped = List.of();

  CandidateSearch(ClipModel model, RunSaes saes, SuppressionSettings settings, Groups groups) {
    this.model = model;
    this.settings = settings;
    this.groups = groups;
    boolean keep = settings.select() == SuppressionSettings.Select.AUROC;
    boolean probes = Ranking.probes(settings.select());
    for (RunSaes.One one : saes.all()) {
      EditSite place =
          EditSite.of(one.point(), tokens(one), model.vision().config().prefixTokens());
      spots.add(
          new Spot(
              one,
              place,
              new GroupStatistics(one.sae(), groups.count(), keep, saes.all().size()),
              probes ? new TrialImages(model, place, groups.count()) : null));
    }
  }

  private TokenSelection tokens(RunSaes.One one) {
    TokenSelection at = settings.at();
    TokenSelection reads = one.selection();
    if (at == null || at == reads) return at == null ? reads : at;
    if (reads != TokenSelection.ALL) {
      String word = reads.name().toLowerCase(java.util.Locale.ROOT);
      throw new InputException(
          "--at " + at.name().toLowerCase(java.util.Locale.ROOT),
          "the SAE " + one.entry().folder() + " reads " + word + " only",
          "Use --at " + word);
    }
    return at;
  }

  /** Looks at the images. */
  void look(List<LabelledImages> parts, Progress progress) {
    List<ImageLoader.Skipped> left = new ArrayList<>();
    long total = 0;
    for (LabelledImages cases : parts) total += cases.truth().length;
    List<HookPoint> points = spots.stream().map(s -> s.place.point()).toList();
    TowerWalk walk = TowerWalk.past(model.vision(), points);
    double flops = walk.flopsPerImage();
    try (var task = progress.start("looking at training images", total, "images")) {
      for (LabelledImages cases : parts) {
        left.addAll(
            cases
                .images()
                .forEach(
                    (batch, pixels) -> {
                      walk.walk(pixels, paused -> see(paused, cases, batch));
                      task.advance(batch.count(), flops * batch.count());
                    }));
      }
    }
    skipped = List.copyOf(left);
    if (groups.comparable(spots.getFirst().seen.images()).isEmpty()) {
      throw new InputException(
          "the training images",
          "for no target are there images both with and without the attribute",
          "Give more training images (--per-group, --train)");
    }
  }

  private void see(
      Paused paused, LabelledImages cases, io.clipsteer.data.imageset.ImageBatch batch) {
    for (Spot spot : spots) {
      if (!spot.place.point().equals(paused.at())) continue;
      try (Scope scope = Scope.open()) {
        var saes = List.of(spot.one.sae());
        var moment = new EncodedTokens(paused.value(), spot.place, saes);
        spot.seen.add(moment, cases.group(batch));
      }
      if (spot.probe != null) spot.probe.add(paused, cases, batch);
    }
  }

  List<ImageLoader.Skipped> skipped() {
    return skipped;
  }

  List<Spot> spots() {
    return spots;
  }

  /** Every edit that validation chooses from: of each place, features, neurons and direction. */
  List<Candidate> candidates(boolean baselines, Progress progress) {
    List<Candidate> all = new ArrayList<>();
    Set<EditSite> done = new HashSet<>();
    for (Spot spot : spots) {
      int[] ranked =
          new Ranking(settings, groups, spot.place, spot.seen, spot.probe).features(progress);
      int before = 0;
      for (int size : settings.sizes()) {
        int[] ids = Arrays.copyOf(ranked, Math.min(size, ranked.length));
        if (ids.length == before) break; // there are no more
        before = ids.length;
        all.add(features(Candidate.Family.FEATURES, spot, ids));
      }
      // Neurons and the direction belong to the place, not to one of its SAEs.
      if (!baselines || !done.add(spot.place)) continue;
      all.addAll(neurons(spot));
      Candidate direction = direction(spot);
      if (direction != null) all.add(direction);
    }
    return all;
  }

  Candidate features(Candidate.Family family, Spot spot, int[] ids) {
    Edit edit = Ranking.edit(spot.place, spot.seen, groups, settings, ids);
    return new Candidate(family, spot.one.entry().folder(), ids.length, edit);
  }

  /** By how far apart their means are, either way: a coordinate has no sign of its own. */
  private List<Candidate> neurons(Spot spot) {
    double[] difference = spot.seen.residualDifference(groups);
    double[] means = spot.seen.residualMeans();
    for (int j = 0; j < difference.length; j++) difference[j] = Math.abs(difference[j]);
    int[] ranked = Ranking.best(difference, 0, difference.length);
    List<Candidate> all = new ArrayList<>();
    for (int size : settings.sizes()) {
      if (size > ranked.length) break;
      int[] ids = Arrays.copyOf(ranked, size);
      float[] values = new float[size];
      if (!(settings.change() instanceof SuppressionSettings.Change.Ablate)) {
        for (int i = 0; i < size; i++) values[i] = (float) means[ids[i]];
      }
      Edit.Target neurons = new Edit.Neurons(difference.length, ids);
      Edit edit = new Edit(spot.place, neurons, new Rule.Set(values));
      all.add(new Candidate(Candidate.Family.NEURONS, "", size, edit));
    }
    return all;
  }

  private @Nullable Candidate direction(Spot spot) {
    double[] difference = spot.seen.residualDifference(groups);
    double norm = Math.sqrt(Arrays.stream(difference).map(x -> x * x).sum());
    if (norm == 0) return null;
    float[] unit = new float[difference.length];
    for (int j = 0; j < unit.length; j++) unit[j] = (float) (difference[j] / norm);
    Edit.Target along = new Edit.Direction(unit, spot.seen.centre(groups), null);
    Edit edit = new Edit(spot.place, along, Rule.ablate());
    return new Candidate(Candidate.Family.DIRECTION, "", 1, edit);
  }

  @Override
  public void close() {
    for (Spot spot : spots) if (spot.probe != null) spot.probe.close();
  }
}
