// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.edit.EditSite;
import io.clipsteer.engine.edit.EncodedTokens;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.Paused;
import io.clipsteer.engine.model.TowerOutput;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.lab.answer.ZeroShot;
import io.clipsteer.lab.run.TowerWalk;
import io.clipsteer.lab.study.Groups;
import io.clipsteer.lab.study.LabelledImages;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Evaluates many edits: every image passes the tower once, and once more from the hook point on for
 * each edit. Only whether an answer is right is kept.
 */
final class EditTrial {
  /** Time between two saves: what a stopped trial evaluates again. */
  private static final long SAVED_NANOS = 30_000_000_000L;

  private final ClipModel model;
  private final List<Candidate> candidates;
  private final Map<HookPoint, Map<EditSite, List<Integer>>> byPoint = new LinkedHashMap<>();
  private final List<Integer> groups = new ArrayList<>();
  private final BitSet before = new BitSet();
  private final List<BitSet> after = new ArrayList<>();
  private List<ImageLoader.Skipped> skipped = List.of();

  private EditTrial(ClipModel model, List<Candidate> candidates) {
    this.model = model;
    this.candidates = candidates;
    for (int c = 0; c < candidates.size(); c++) {
      EditSite site = candidates.get(c).site();
      byPoint
          .computeIfAbsent(site.point(), p -> new LinkedHashMap<>())
          .computeIfAbsent(site, p -> new ArrayList<>())
          .add(c);
      after.add(new BitSet());
    }
  }

  /**
   * The right answers.
   *
   * @param groups of each image
   * @param before images answered right without an edit
   * @param after the same with each of the candidates
   */
  record TrialResult(
      List<Integer> groups, BitSet before, List<BitSet> after, List<ImageLoader.Skipped> skipped) {
    /** With the answers of further candidates to the same images. */
    TrialResult and(TrialResult other) {
      List<BitSet> all = Stream.concat(after.stream(), other.after.stream()).toList();
      return new TrialResult(groups, before, all, skipped);
    }

    /**
     * Scores by group.
     *
     * @param right images answered right with the edit
     */
    GroupScore score(Groups of, BitSet right) {
      return GroupScore.of(of, groups, before, right);
    }
  }

  /**
   * Evaluates.
   *
   * @param candidates perhaps none
   * @param file in which progress is saved, and from which it is resumed; null for none
   * @param name of the work, for progress
   */
  static TrialResult run(
      ClipModel model,
      List<LabelledImages> parts,
      List<Candidate> candidates,
      @Nullable Path file,
      String name,
      Progress progress) {
    EditTrial trial = new EditTrial(model, List.copyOf(candidates));
    String fingerprint = file == null ? "" : TrialState.fingerprint(parts, candidates);
    long[] next = new long[parts.size()];
    if (file != null) {
      trial.resume(TrialState.read(file, fingerprint, next.length, candidates.size()), next);
    }
    try (var task = progress.start(name, LabelledImages.count(parts), "images")) {
      if (!trial.groups.isEmpty()) task.resumed(trial.groups.size());
      for (int p = 0; p < next.length; p++) {
        trial.part(parts.get(p), p, next, fingerprint, file, task);
      }
    }
    return new TrialResult(
        List.copyOf(trial.groups), trial.before, List.copyOf(trial.after), trial.skipped);
  }

  private void part(
      LabelledImages part,
      int p,
      long[] next,
      String fingerprint,
      @Nullable Path file,
      Progress.Task task) {
    if (next[p] > 0 && next[p] >= part.truth().length) return;
    List<ImageLoader.Skipped> earlier = skipped;
    long[] saved = {System.nanoTime()};
    try {
      List<ImageLoader.Skipped> all =
          part.images()
              .forEach(
                  next[p],
                  (batch, pixels, soFar) -> {
                    evaluate(part, part.truth(batch), part.group(batch), pixels);
                    skipped = joined(earlier, soFar);
                    next[p] = batch.positions().getLast() + 1;
                    task.advance(batch.count(), flops() * batch.count());
                    if (file == null || System.nanoTime() - saved[0] < SAVED_NANOS) return;
                    state(fingerprint, next).write(file);
                    saved[0] = System.nanoTime();
                  });
      skipped = joined(earlier, all);
      next[p] = part.truth().length;
    } catch (RuntimeException e) {
      saveAfterFailure(fingerprint, next, file, e);
      throw e;
    }
    if (file != null) state(fingerprint, next).write(file);
  }

  /** Saves what was evaluated before a failure, which is reported rather than one of saving. */
  private void saveAfterFailure(
      String fingerprint, long[] next, @Nullable Path file, RuntimeException failure) {
    if (file == null || groups.isEmpty()) return;
    try {
      state(fingerprint, next).write(file);
    } catch (InputException e) {
      failure.addSuppressed(e);
    }
  }

  private static List<ImageLoader.Skipped> joined(
      List<ImageLoader.Skipped> earlier, List<ImageLoader.Skipped> later) {
    return Stream.concat(earlier.stream(), later.stream()).toList();
  }

  private TrialState state(String fingerprint, long[] next) {
    return new TrialState(
        fingerprint,
        List.copyOf(groups),
        bytes(before),
        after.stream().map(this::bytes).toList(),
        LongStream.of(next).boxed().toList(),
        skipped);
  }

  private byte[] bytes(BitSet right) {
    return right.get(0, groups.size()).toByteArray();
  }

  private void resume(@Nullable TrialState state, long[] next) {
    if (state == null) return;
    groups.addAll(state.groups());
    before.or(BitSet.valueOf(state.before()));
    for (int c = 0; c < after.size(); c++) after.get(c).or(BitSet.valueOf(state.after().get(c)));
    for (int p = 0; p < next.length; p++) next[p] = state.next().get(p);
    skipped = List.copyOf(state.skipped());
  }

  /** Of an image: the tower, and the rest of the tower for each edit. */
  private double flops() {
    double flops = model.vision().flopsPerImage();
    for (Candidate candidate : candidates) {
      flops += model.vision().flopsAfter(candidate.site().point().layer());
    }
    return flops;
  }

  /** A batch counts only once all its answers are known. */
  private void evaluate(LabelledImages part, int[] truth, int[] group, Tensor pixels) {
    int start = groups.size();
    TowerOutput output;
    if (byPoint.isEmpty()) {
      output = model.vision().run(pixels, Hooks.NONE);
    } else {
      Paused last =
          TowerWalk.past(model.vision(), byPoint.keySet())
              .walk(pixels, paused -> edit(paused, part, truth, start));
      output = model.vision().continueFrom(last, Hooks.NONE);
    }
    mark(output, part, truth, before, start);
    for (int g : group) groups.add(g);
  }

  private void edit(Paused paused, LabelledImages part, int[] truth, int start) {
    byPoint
        .getOrDefault(paused.at(), Map.of())
        .forEach(
            (site, numbers) -> {
              try (Scope scope = Scope.open()) {
                var tokens = new EncodedTokens(paused.value(), site, saes(numbers));
                for (int c : numbers) {
                  try (Scope step = Scope.open()) {
                    Paused edited = paused.with(tokens.edited(candidates.get(c).edit()));
                    TowerOutput output = model.vision().continueFrom(edited, Hooks.NONE);
                    mark(output, part, truth, after.get(c), start);
                  }
                }
              }
            });
  }

  /** The SAEs that candidates edit. */
  private List<Sae> saes(List<Integer> numbers) {
    return numbers.stream().flatMap(c -> candidates.get(c).edit().saes().stream()).toList();
  }

  private void mark(TowerOutput output, LabelledImages part, int[] truth, BitSet right, int start) {
    var answers = ZeroShot.answers(output, part.head(), 1);
    for (int i = 0; i < truth.length; i++) {
      if (answers.get(i).getFirst().index() == truth[i]) right.set(start + i);
    }
  }
}
