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
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.lab.answer.ZeroShot;
import io.clipsteer.lab.run.TowerWalk;
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
 * Answers without and with each of many edits: every image goes through the tower once, and from
 * each hook point on once more an edit. Nothing is kept but whether the answers are right.
 */
final class EditTrial {
  /** A stopped pass asks again what came after its last note. */
  private static final long NOTED_NANOS = 30_000_000_000L;

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
      EditSite place = candidates.get(c).place();
      byPoint
          .computeIfAbsent(place.point(), p -> new LinkedHashMap<>())
          .computeIfAbsent(place, p -> new ArrayList<>())
          .add(c);
      after.add(new BitSet());
    }
  }

  /**
   * What came out.
   *
   * @param groups of each image
   * @param before whether it was answered right without an edit
   * @param after the same with each of the candidates
   */
  record Result(
      List<Integer> groups, BitSet before, List<BitSet> after, List<ImageLoader.Skipped> skipped) {}

  /**
   * Asks.
   *
   * @param candidates perhaps none
   * @param notes file to note in how far it has come, and to go on from; null for none
   * @param name of the work, for progress
   */
  static Result run(
      ClipModel model,
      List<LabelledImages> parts,
      List<Candidate> candidates,
      @Nullable Path notes,
      String name,
      Progress progress) {
    EditTrial pass = new EditTrial(model, List.copyOf(candidates));
    String asked = notes == null ? "" : PassNotes.fingerprint(parts, candidates);
    long[] next = new long[parts.size()];
    if (notes != null)
      pass.goOn(PassNotes.read(notes, asked, next.length, candidates.size()), next);
    long total = 0;
    for (LabelledImages cases : parts) total += cases.truth().length;
    try (var task = progress.start(name, total, "images")) {
      if (!pass.groups.isEmpty()) task.resumed(pass.groups.size());
      for (int p = 0; p < next.length; p++) pass.part(parts.get(p), p, next, asked, notes, task);
    }
    return new Result(
        List.copyOf(pass.groups), pass.before, List.copyOf(pass.after), List.copyOf(pass.skipped));
  }

  private void part(
      LabelledImages cases,
      int p,
      long[] next,
      String asked,
      @Nullable Path notes,
      Progress.Task task) {
    if (next[p] > 0 && next[p] >= cases.truth().length) return;
    List<ImageLoader.Skipped> earlier = List.copyOf(skipped);
    long[] noted = {System.nanoTime()};
    try {
      List<ImageLoader.Skipped> left =
          cases
              .images()
              .forEach(
                  next[p],
                  (batch, pixels, leftOut) -> {
                    take(cases, cases.truth(batch), cases.group(batch), pixels);
                    skipped = joined(earlier, leftOut);
                    next[p] = batch.positions().getLast() + 1;
                    task.advance(batch.count(), flops() * batch.count());
                    if (notes == null || System.nanoTime() - noted[0] < NOTED_NANOS) return;
                    note(asked, next).write(notes);
                    noted[0] = System.nanoTime();
                  });
      skipped = joined(earlier, left);
      next[p] = cases.truth().length;
    } catch (RuntimeException e) {
      noteAtTheEnd(asked, next, notes, e);
      throw e;
    }
    if (notes != null) note(asked, next).write(notes);
  }

  /** What was answered before a failure; the failure says more than one of noting it. */
  private void noteAtTheEnd(
      String asked, long[] next, @Nullable Path notes, RuntimeException failure) {
    if (notes == null || groups.isEmpty()) return;
    try {
      note(asked, next).write(notes);
    } catch (InputException e) {
      failure.addSuppressed(e);
    }
  }

  private static List<ImageLoader.Skipped> joined(
      List<ImageLoader.Skipped> earlier, List<ImageLoader.Skipped> later) {
    return Stream.concat(earlier.stream(), later.stream()).toList();
  }

  private PassNotes note(String asked, long[] next) {
    return new PassNotes(
        asked,
        List.copyOf(groups),
        answered(before),
        after.stream().map(this::answered).toList(),
        LongStream.of(next).boxed().toList(),
        skipped);
  }

  private byte[] answered(BitSet right) {
    return right.get(0, groups.size()).toByteArray();
  }

  private void goOn(@Nullable PassNotes notes, long[] next) {
    if (notes == null) return;
    groups.addAll(notes.groups());
    before.or(BitSet.valueOf(notes.before()));
    for (int c = 0; c < after.size(); c++) after.get(c).or(BitSet.valueOf(notes.after().get(c)));
    for (int p = 0; p < next.length; p++) next[p] = notes.next().get(p);
    skipped = List.copyOf(notes.skipped());
  }

  /** Of an image: the tower, and what follows each edit. */
  private double flops() {
    double flops = model.vision().flopsPerImage();
    for (Candidate candidate : candidates) {
      flops += model.vision().flopsAfter(candidate.place().point().layer());
    }
    return flops;
  }

  /** A batch, which counts only when all of it is answered. */
  private void take(LabelledImages cases, int[] truth, int[] group, Tensor pixels) {
    int start = groups.size();
    Tensor embedding;
    if (byPoint.isEmpty()) {
      embedding = model.vision().run(pixels, Hooks.NONE).embedding();
    } else {
      Paused last =
          TowerWalk.past(model.vision(), byPoint.keySet())
              .walk(pixels, paused -> edit(paused, cases, truth, start));
      embedding = model.vision().continueFrom(last, Hooks.NONE).embedding();
    }
    mark(embedding, cases, truth, before, start);
    for (int g : group) groups.add(g);
  }

  private void edit(Paused paused, LabelledImages cases, int[] truth, int start) {
    byPoint
        .getOrDefault(paused.at(), Map.of())
        .forEach(
            (place, numbers) -> {
              try (Scope scope = Scope.open()) {
                var tokens = new EncodedTokens(paused.value(), place, saes(numbers));
                for (int c : numbers) {
                  try (Scope step = Scope.open()) {
                    Paused edited = paused.with(tokens.edited(candidates.get(c).edit()));
                    Tensor embedding = model.vision().continueFrom(edited, Hooks.NONE).embedding();
                    mark(embedding, cases, truth, after.get(c), start);
                  }
                }
              }
            });
  }

  /** Those that the candidates ask for. */
  private List<Sae> saes(List<Integer> numbers) {
    return numbers.stream().flatMap(c -> candidates.get(c).edit().saes().stream()).toList();
  }

  private void mark(Tensor embedding, LabelledImages cases, int[] truth, BitSet right, int start) {
    var answers =
        ZeroShot.answers(
            embedding.to(io.clipsteer.engine.Device.CPU), cases.library(), model.logitScale(), 1);
    for (int i = 0; i < truth.length; i++) {
      if (answers.get(i).getFirst().index() == truth[i]) right.set(start + i);
    }
  }
}
