// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import io.clipsteer.data.image.ImageLoader;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.ClipModel;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.Paused;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.lab.Progress;
import io.clipsteer.lab.TowerWalk;
import io.clipsteer.lab.ZeroShot;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Answers without and with each of many edits: every picture goes through the tower once, and from
 * each hook point on once more an edit. Nothing is kept but whether the answers are right.
 */
final class Pass {
  private final ClipModel model;
  private final List<Candidate> candidates;
  private final Map<HookPoint, Map<Place, List<Integer>>> byPoint = new LinkedHashMap<>();
  private final List<Integer> groups = new ArrayList<>();
  private final BitSet before = new BitSet();
  private final List<BitSet> after = new ArrayList<>();

  private Pass(ClipModel model, List<Candidate> candidates) {
    this.model = model;
    this.candidates = candidates;
    for (int c = 0; c < candidates.size(); c++) {
      Place place = candidates.get(c).place();
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
   * @param groups of each picture
   * @param before whether it was answered right without an edit
   * @param after the same with each of the candidates
   */
  record Result(
      List<Integer> groups, BitSet before, List<BitSet> after, List<ImageLoader.Skipped> skipped) {}

  /**
   * Asks.
   *
   * @param candidates perhaps none
   * @param name of the work, for progress
   */
  static Result run(
      ClipModel model,
      List<Cases> parts,
      List<Candidate> candidates,
      String name,
      Progress progress) {
    Pass pass = new Pass(model, List.copyOf(candidates));
    List<ImageLoader.Skipped> skipped = new ArrayList<>();
    long total = 0;
    for (Cases cases : parts) total += cases.truth().length;
    try (var task = progress.start(name, total, "images")) {
      for (Cases cases : parts) {
        skipped.addAll(
            cases
                .pictures()
                .forEach(
                    (batch, pixels) -> {
                      pass.take(cases, cases.truth(batch), cases.group(batch), pixels);
                      task.advance(batch.count(), pass.flops() * batch.count());
                    }));
      }
    }
    return new Result(List.copyOf(pass.groups), pass.before, List.copyOf(pass.after), skipped);
  }

  /** Of a picture: the tower, and what follows each edit. */
  private double flops() {
    int layers = model.vision().config().layers();
    double blocks = layers;
    for (Candidate candidate : candidates) {
      blocks += layers - 1.0 - candidate.place().point().layer();
    }
    return model.vision().flopsPerImage() * blocks / layers;
  }

  private void take(Cases cases, int[] truth, int[] group, Tensor pixels) {
    int start = groups.size();
    for (int g : group) groups.add(g);
    if (byPoint.isEmpty()) {
      mark(model.vision().run(pixels, Hooks.NONE).embedding(), cases, truth, before, start);
      return;
    }
    Paused last =
        TowerWalk.past(model.vision(), byPoint.keySet())
            .walk(pixels, paused -> edit(paused, cases, truth, start));
    mark(model.vision().continueFrom(last, Hooks.NONE).embedding(), cases, truth, before, start);
  }

  private void edit(Paused paused, Cases cases, int[] truth, int start) {
    int prefix = model.vision().config().prefixTokens();
    byPoint
        .getOrDefault(paused.at(), Map.of())
        .forEach(
            (place, numbers) -> {
              try (Scope scope = Scope.open()) {
                Moment moment = new Moment(paused, place.tokens(), prefix, saes(numbers));
                for (int c : numbers) {
                  try (Scope step = Scope.open()) {
                    Paused edited = moment.edited(candidates.get(c).edit());
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

  private void mark(Tensor embedding, Cases cases, int[] truth, BitSet right, int start) {
    var answers =
        ZeroShot.answers(
            embedding.to(io.clipsteer.engine.Device.CPU), cases.library(), model.logitScale(), 1);
    for (int i = 0; i < truth.length; i++) {
      if (answers.get(i).getFirst().index() == truth[i]) right.set(start + i);
    }
  }
}
