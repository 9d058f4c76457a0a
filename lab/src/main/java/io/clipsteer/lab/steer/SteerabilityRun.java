// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.Paused;
import io.clipsteer.engine.model.ReadOut;
import io.clipsteer.engine.model.Site;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.engine.model.VisionConfig;
import io.clipsteer.engine.steer.Continued;
import io.clipsteer.engine.steer.LastLayer;
import io.clipsteer.engine.steer.Sweep;
import io.clipsteer.lab.answer.ZeroShot;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.RunSaes;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * Measures steerability. The images go through the tower once, and what they are at each hook point
 * is kept; behind the last block a closed form answers for all units, elsewhere the tower goes on
 * with edited copies. What is done is on disk after every few units.
 *
 * @param saes of the layers wanted
 * @param library the vocabulary
 * @param known what an index knows of the features, by SAE; empty without one
 */
public record SteerabilityRun(
    ClipModel model,
    Images batches,
    RunSaes saes,
    TextLibrary library,
    SteerabilitySettings settings,
    Map<String, Map<Integer, Findings.Known>> known) {
  /** Of residuals kept in memory. */
  private static final long KEPT_BYTES = 3L << 30;

  private static final int CLOSED_UNITS = 4096;
  private static final int CONTINUED_UNITS = 64;

  /**
   * Refuses a vocabulary or tokens that do not fit the model: asked early, before anything is
   * written.
   */
  public void check() {
    ZeroShot.checkFits(model, library);
    if (library.words().size() < 2) {
      throw new InputException("the vocabulary", "has one word", "Give at least two");
    }
    int prefix = model.vision().config().prefixTokens();
    settings.at().mask(prefix, prefix + patches());
    for (int size : settings.vocabularies()) {
      if (size < 2 || size >= library.words().size()) {
        throw new InputException(
            "--vocabulary-sizes " + size,
            "not from 2 to " + (library.words().size() - 1),
            "The vocabulary has " + library.words().size() + " words");
      }
    }
  }

  /** All places and kinds with one vocabulary. */
  private record Measured(
      List<LayerResult> results, int images, List<ImageLoader.Skipped> skipped, double prepared) {}

  /**
   * Measures, going on where a stopped measurement ended.
   *
   * @throws InputException when no image can be read or they do not fit
   */
  public SteerabilityReport run(SteerabilityFolder folder, Progress progress) {
    check();
    Measured whole = measured("", folder, progress);
    List<VocabularyResult> vocabularies = new ArrayList<>();
    List<LayerResult> first = List.of();
    for (VocabularyPart part :
        VocabularyPart.of(library, settings.vocabularies(), settings.seed())) {
      List<LayerResult> some =
          new SteerabilityRun(
                  model, batches, saes, part.library(), settings.withoutDose(), Map.of())
              .measured(part.tag(), folder, progress)
              .results();
      boolean second = part.draw().equals("b");
      vocabularies.addAll(
          VocabularyResult.of(part, some, whole.results(), second ? first : List.of()));
      first = some;
    }
    return new SteerabilityReport(
        model.source().path().toAbsolutePath().normalize().toString(),
        batches.set().origin().toString(),
        whole.images(),
        whole.skipped(),
        library.words().size(),
        settings,
        whole.results(),
        vocabularies,
        known.isEmpty() ? null : Findings.of(known, whole.results(), settings.tau()),
        whole.prepared());
  }

  /**
   * Measures with the run's words.
   *
   * @param tag begins the names of files
   */
  private Measured measured(String tag, SteerabilityFolder folder, Progress progress) {
    long start = System.nanoTime();
    Map<HookPoint, Sweep> sweeps = new LinkedHashMap<>();
    Similarity alike = Similarity.of(library);
    try {
      List<ImageLoader.Skipped> skipped = prepare(sweeps, progress);
      double prepared = (System.nanoTime() - start) * 1e-9;
      List<LayerResult> results = new ArrayList<>();
      for (var place : sweeps.entrySet()) {
        for (SteeredUnits.Kind kind : settings.kinds()) {
          for (RunSaes.One one : at(place.getKey())) {
            Task task = new Task(place.getKey(), place.getValue(), kind, one, alike, tag);
            results.add(measure(task, folder, progress));
            // Neurons and random directions belong to the place, not to one of its SAEs.
            if (kind != SteeredUnits.Kind.FEATURES) break;
          }
        }
      }
      int images = sweeps.values().iterator().next().images();
      return new Measured(List.copyOf(results), images, skipped, prepared);
    } finally {
      for (Sweep sweep : sweeps.values()) sweep.close();
    }
  }

  private List<RunSaes.One> at(HookPoint point) {
    return saes.all().stream().filter(one -> one.entry().point().equals(point)).toList();
  }

  /** The units of one kind at one place. */
  private record Task(
      HookPoint point,
      Sweep sweep,
      SteeredUnits.Kind kind,
      RunSaes.One one,
      Similarity alike,
      String tag) {}

  private LayerResult measure(Task what, SteerabilityFolder folder, Progress progress) {
    HookPoint point = what.point();
    Sweep sweep = what.sweep();
    SteeredUnits.Kind kind = what.kind();
    RunSaes.One one = what.one();
    SteeredUnits units = units(kind, one);
    String sae = kind == SteeredUnits.Kind.FEATURES ? one.entry().folder() : "";
    String place = sae.isEmpty() ? point.peerName() : sae.substring(sae.lastIndexOf('/') + 1);
    String name = what.tag() + place + "." + kind.word();
    boolean closed = sweep instanceof LastLayer;
    int step = closed ? CLOSED_UNITS : CONTINUED_UNITS;
    VisionConfig config = model.vision().config();
    int tokens = config.prefixTokens() + patches();
    boolean[] moved =
        Arrays.copyOf(settings.at().mask(config.prefixTokens(), tokens), sweep.tokens());
    var plan = new Measuring.Plan(settings.tau(), settings.screen() && !closed, settings.seed());
    List<UnitScore> scores = new ArrayList<>();
    int[] above = new int[Measuring.Plan.DRAWS];
    long asked = 0;
    double seconds = 0;
    Raised raised = Raised.NONE;
    double flops = model.vision().flopsAfter(point.layer());
    Measuring measuring = null;
    String title = "steering " + place + ", " + kind.word();
    try (var task = progress.start(title, units.count(), kind.word())) {
      for (int from = 0; from < units.count(); from += step) {
        int count = Math.min(step, units.count() - from);
        SteerabilityFolder.Part part = folder.read(name, from, count);
        if (part == null) {
          long start = System.nanoTime();
          if (measuring == null) {
            var shifts = units.shifts(sweep.residuals());
            measuring = new Measuring(sweep, units, shifts, moved, what.alike(), plan, names(sae));
          }
          Measuring.Part done = measuring.run(from, from + count);
          double took = (System.nanoTime() - start) * 1e-9;
          part =
              new SteerabilityFolder.Part(
                  done.scores(), done.above(), done.asked(), done.raised(), took);
          folder.write(name, from, part);
        }
        scores.addAll(part.scores());
        for (int b = 0; b < above.length; b++) above[b] += part.above()[b];
        asked += part.asked();
        raised = raised.plus(part.raised());
        seconds += part.seconds();
        task.advance(count, flops * part.asked());
      }
    }
    folder.table(name, scores, library);
    List<Dose> doses = kind == SteeredUnits.Kind.FEATURES ? doses(what, moved, scores) : List.of();
    if (!doses.isEmpty()) folder.doses(name, doses, library);
    return LayerResult.of(
        point.peerName(),
        point.layer(),
        sae,
        kind,
        sweep.images(),
        above,
        settings.tau(),
        asked,
        seconds,
        scores,
        doses,
        raised);
  }

  /** Rows of the names of an SAE's features; empty for other units. */
  private Map<Integer, Integer> names(String sae) {
    Map<Integer, Integer> names = new HashMap<>();
    known
        .getOrDefault(sae, Map.of())
        .forEach(
            (id, feature) -> {
              if (feature.name() >= 0) names.put(id, feature.name());
            });
    return names;
  }

  /** The most steerable features at several strengths. */
  private List<Dose> doses(Task what, boolean[] moved, List<UnitScore> scores) {
    List<UnitScore> most =
        scores.stream()
            .filter(score -> score.s() > settings.tau() && score.top() >= 0)
            .sorted(Comparator.comparingDouble(UnitScore::s).reversed())
            .limit(settings.dose())
            .sorted(Comparator.comparingInt(UnitScore::unit))
            .toList();
    if (most.isEmpty()) return List.of();
    int[] ids = most.stream().mapToInt(UnitScore::unit).toArray();
    int[] words = most.stream().mapToInt(UnitScore::top).toArray();
    return new Dosing(what.sweep(), what.one().sae(), moved).run(ids, words, settings.strength());
  }

  private SteeredUnits units(SteeredUnits.Kind kind, RunSaes.One one) {
    return switch (kind) {
      case FEATURES -> features(one);
      case NEURONS -> new SteeredUnits.Neurons(one.sae().width(), settings.strength());
      case RANDOM ->
          new SteeredUnits.Random(
              settings.randoms(),
              one.sae().width(),
              SteeredUnits.decoderLength(one.sae()),
              one.sae().normalisation(),
              settings.strength(),
              settings.seed());
    };
  }

  private SteeredUnits features(RunSaes.One one) {
    int all = one.sae().features();
    if (settings.sample() == 0 || settings.sample() >= all) {
      return SteeredUnits.Features.all(one.sae(), settings.strength());
    }
    int[] ids = Arrays.copyOf(shuffled(all), settings.sample());
    Arrays.sort(ids);
    return new SteeredUnits.Features(one.sae(), ids, settings.strength());
  }

  private int patches() {
    int patch = model.vision().config().patch();
    return batches.preprocessing().height() / patch * (batches.preprocessing().width() / patch);
  }

  private int[] shuffled(int n) {
    int[] order = new int[n];
    for (int i = 0; i < n; i++) order[i] = i;
    SplittableRandom random = new SplittableRandom(settings.seed());
    for (int i = n - 1; i > 0; i--) {
      int j = random.nextInt(i + 1);
      int other = order[j];
      order[j] = order[i];
      order[i] = other;
    }
    return order;
  }

  // ---- the images -----------------------------------------------------------------------------

  /** One pass over the images: fills a sweep for every hook point, in the tower's order. */
  private List<ImageLoader.Skipped> prepare(Map<HookPoint, Sweep> sweeps, Progress progress) {
    List<HookPoint> points =
        saes.all().stream()
            .map(one -> one.entry().point())
            .distinct()
            .sorted(
                Comparator.comparingInt(HookPoint::layer)
                    .thenComparing(point -> point.site() == Site.RESID_POST))
            .toList();
    Map<HookPoint, List<Paused>> kept = new LinkedHashMap<>();
    for (HookPoint point : points) kept.put(point, new ArrayList<>());
    try (Scope scope = Scope.open();
        var task = progress.start("running to the hook points", batches.count(), "images")) {
      long[] bytes = new long[1];
      var skipped =
          batches.forEach(
              (batch, pixels) -> {
                Paused at = null;
                for (HookPoint point : points) {
                  at =
                      at == null
                          ? model.vision().runUntil(pixels, point, Hooks.NONE)
                          : model.vision().continueUntil(at, point, Hooks.NONE);
                  Paused copy = copy(at, scope);
                  kept.computeIfAbsent(point, p -> new ArrayList<>()).add(copy);
                  bytes[0] += copy.value().bytes() * (copy.middle() == null ? 1 : 2);
                }
                if (bytes[0] > KEPT_BYTES) {
                  throw new InputException(
                      batches.set().origin(),
                      "its residuals take more than 3 GiB",
                      "Measure fewer images (--limit) or layers (--layers)");
                }
                task.advance(batch.count(), model.vision().flopsPerImage() * batch.count());
              });
      kept.forEach((point, parts) -> sweeps.put(point, sweep(point, parts)));
      return skipped;
    } finally {
      for (List<Paused> parts : kept.values()) parts.forEach(SteerabilityRun::close);
    }
  }

  private @Nullable ReadOut readOut(HookPoint point) {
    boolean last = point.layer() == model.vision().config().layers() - 1;
    return last && point.site() == Site.RESID_POST ? model.vision().readOut() : null;
  }

  /** What a hook point's sweep needs, out of the batch's scope. */
  private Paused copy(Paused paused, Scope scope) {
    boolean closed = readOut(paused.at()) != null;
    Tensor value = paused.value();
    Tensor part = closed ? value.narrow(1, 0, 1) : value;
    Tensor middle = paused.middle();
    return new Paused(
        paused.at(),
        scope.release(part.copy()),
        middle == null ? null : scope.release(middle.copy()));
  }

  private static void close(Paused paused) {
    paused.value().close();
    if (paused.middle() != null) paused.middle().close();
  }

  /** All images of a hook point, shuffled: the first few of them then stand for all. */
  private Sweep sweep(HookPoint point, List<Paused> parts) {
    double scale = model.logitScale();
    try (Scope scope = Scope.open()) {
      Tensor value = shuffled(parts.stream().map(Paused::value).toList());
      ReadOut readOut = readOut(point);
      if (readOut != null) {
        return new LastLayer(readOut, value.reshape(value.size(0), value.size(2)), library, scale);
      }
      Tensor middle =
          parts.getFirst().middle() == null
              ? null
              : shuffled(parts.stream().map(Paused::middle).map(Objects::requireNonNull).toList());
      Paused all = new Paused(point, value, middle);
      return new Continued(model.vision(), all, library, scale);
    }
  }

  private Tensor shuffled(List<Tensor> parts) {
    Tensor all = Tensor.concat(parts, 0);
    int[] order = shuffled(Math.toIntExact(all.size(0)));
    long[] rows = Arrays.stream(order).asLongStream().toArray();
    return all.indexSelect(0, Tensor.of(rows, rows.length).to(all.device()));
  }
}
