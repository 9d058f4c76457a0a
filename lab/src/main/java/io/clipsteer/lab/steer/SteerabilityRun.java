// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.AnswerHead;
import io.clipsteer.engine.model.TokenMask;
import io.clipsteer.engine.steer.LastLayer;
import io.clipsteer.engine.steer.Sweep;
import io.clipsteer.lab.block.BlockCluster;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.RunSaes;
import io.clipsteer.lab.run.TowerWalk;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.function.Consumer;

/**
 * Measures steerability. The images pass through the tower once, and their residuals at each hook
 * point are kept; behind the last block a closed form gives the answers of all units, elsewhere the
 * tower continues with edited copies. Results are written after every few units.
 *
 * @param saes of the layers to measure
 * @param head the vocabulary
 * @param known features in an index, by SAE; empty without an index
 */
public record SteerabilityRun(
    ClipModel model,
    Images batches,
    RunSaes saes,
    AnswerHead head,
    SteerabilitySettings settings,
    Map<String, Map<Integer, Findings.IndexedFeature>> known) {
  /** Refuses a vocabulary or tokens that do not fit the model, before anything is written. */
  public void check() {
    if (head.words().size() < 2) {
      throw new InputException("the vocabulary", "has one word", "Give at least two");
    }
    mask();
    for (RunSaes.One one : saes.all()) {
      if (settings.set().stream().anyMatch(Strength::isOwn)
          && !known.containsKey(one.entry().folder())) {
        throw new InputException(
            "--set",
            "multiples are of features' activations, and the run has no index of "
                + one.entry().folder(),
            "Make one with clipsteer index, or give numbers");
      }
    }
    for (int size : settings.vocabularies()) {
      if (size < 2 || size >= head.words().size()) {
        throw new InputException(
            "--vocabulary-sizes " + size,
            "not from 2 to " + (head.words().size() - 1),
            "The vocabulary has " + head.words().size() + " words");
      }
    }
  }

  /**
   * Measures on a cluster, or resumes a stopped measurement there. The results are those of one
   * machine.
   *
   * @param forecasts as for one machine
   */
  public SteerabilityReport run(
      SteerabilityFolder folder,
      BlockCluster.ClusterSession cluster,
      Progress progress,
      Consumer<List<Forecast>> forecasts) {
    check();
    try (var parts = new SteerabilityParts(this, folder)) {
      parts.share(cluster, true, progress);
      return run(
          folder,
          progress,
          widths -> {
            forecasts.accept(widths);
            parts.share(cluster, false, progress);
          });
    }
  }

  /**
   * Measures, or resumes a stopped measurement.
   *
   * @param forecasts receives the widths of the intervals, when the first units are measured
   * @throws InputException when no image can be read or they do not fit
   */
  public SteerabilityReport run(
      SteerabilityFolder folder, Progress progress, Consumer<List<Forecast>> forecasts) {
    check();
    SteerabilityReport whole = measured("", folder, progress, forecasts);
    List<VocabularyResult> vocabularies = new ArrayList<>();
    List<LayerResult> first = List.of();
    for (Draw draw : draws()) {
      if (draw.name.equals("a")) first = List.of();
      List<LayerResult> some =
          draw.run.measured(draw.tag(), folder, progress, widths -> {}).layers();
      vocabularies.addAll(VocabularyResult.of(draw.size, draw.name, some, last(whole), first));
      first = some;
    }
    Findings beside = known.isEmpty() ? null : Findings.of(known, last(whole), settings.tau());
    return whole.with(vocabularies, beside);
  }

  /**
   * The measurement with a sample of the words.
   *
   * @param name a or b: two samples without a common word, or one where the words do not suffice
   */
  record Draw(int size, String name, SteerabilityRun run) {
    /** Begins the names of files. */
    String tag() {
      return "vocabulary-" + size + name + ".";
    }
  }

  /** The repetitions with fewer words. */
  List<Draw> draws() {
    List<Draw> draws = new ArrayList<>();
    int[] order = shuffled(head.words().size(), settings.seed());
    for (int size : settings.vocabularies()) {
      for (int from = 0; from < 2 * size && from + size <= order.length; from += size) {
        int[] rows = Arrays.copyOfRange(order, from, from + size);
        draws.add(new Draw(size, from == 0 ? "a" : "b", with(rows)));
      }
    }
    return draws;
  }

  /** The results at the last strength. */
  private List<LayerResult> last(SteerabilityReport report) {
    return report.layers().stream().filter(one -> one.set().equals(settings.last())).toList();
  }

  /** The measurement with some words, in the vocabulary's order, and without dose-response. */
  SteerabilityRun with(int[] rows) {
    Arrays.sort(rows);
    return new SteerabilityRun(
        model, batches, saes, head.some(rows), settings.withoutDose(), Map.of());
  }

  /**
   * Measures with this run's vocabulary, and neither with parts of it nor beside an index.
   *
   * @param tag begins the names of files
   */
  private SteerabilityReport measured(
      String tag,
      SteerabilityFolder folder,
      Progress progress,
      Consumer<List<Forecast>> forecasts) {
    long start = System.nanoTime();
    TowerWalk walk = walk();
    List<SteeredScene> scenes = images().prepare(walk, walk.points(), progress);
    try {
      double prepared = (System.nanoTime() - start) * 1e-9;
      Similarity alike = Similarity.of(head);
      List<Measured> tasks = new ArrayList<>();
      for (SteeredScene scene : scenes) {
        for (UnitTask task : units().tasks(tag, List.of(scene.point()))) {
          SteeredUnits own = units().units(task, scene.maxima());
          tasks.add(new Measured(task, scene, own, alike));
        }
      }
      forecasts.accept(tasks.stream().map(task -> forecast(task, folder, progress)).toList());
      List<LayerResult> results = new ArrayList<>();
      for (Measured task : tasks) results.add(measure(task, folder, progress));
      return new SteerabilityReport(
          model.source().path().toAbsolutePath().normalize().toString(),
          batches.set().origin().toString(),
          scenes.getFirst().sweep().images(),
          scenes.getFirst().skipped(),
          head.words().size(),
          settings,
          prepared,
          List.copyOf(results),
          BaselineComparison.of(results),
          List.of(),
          null);
    } finally {
      for (SteeredScene scene : scenes) scene.sweep().close();
    }
  }

  /** The hook points on the way. */
  TowerWalk walk() {
    return TowerWalk.past(model.vision(), saes.all().stream().map(RunSaes.One::point).toList());
  }

  SteeredImages images() {
    return new SteeredImages(model, batches, head, settings.seed());
  }

  TaskUnits units() {
    return new TaskUnits(saes, settings, known);
  }

  /** Which tokens of a sweep's images are edited. */
  private boolean[] edited(Sweep sweep) {
    return Arrays.copyOf(mask(), sweep.tokens());
  }

  private boolean[] mask() {
    int prefix = model.vision().config().prefixTokens();
    var input = batches.preprocessing();
    int patch = model.vision().config().patch();
    int patches = input.height() / patch * (input.width() / patch);
    return new TokenMask(settings.at()).mask(prefix, prefix + patches);
  }

  /** A task with its images and units. */
  private record Measured(
      UnitTask task, SteeredScene scene, SteeredUnits units, Similarity alike) {}

  /** Measures the first units, whose results the measurement takes over. */
  private Forecast forecast(Measured what, SteerabilityFolder folder, Progress progress) {
    int units = what.units.count();
    SteerabilityFolder.Part part = measure(what, UnitTask.pilot(units), folder, progress);
    int images = what.scene.sweep().images();
    return Forecast.of(what.task.place(), what.task.kind(), part, settings.tau(), units, images);
  }

  private LayerResult measure(Measured what, SteerabilityFolder folder, Progress progress) {
    UnitTask task = what.task;
    Sweep sweep = what.scene.sweep();
    SteerabilityFolder.Part all = measure(what, what.units.count(), folder, progress);
    folder.table(task.name(), all.scores(), head.words());
    boolean dosed = task.isFeatures() && task.set().equals(settings.dosed());
    List<Dose> doses = dosed ? doses(what, all.scores()) : List.of();
    if (!doses.isEmpty()) {
      folder.doses(task.tag() + task.place() + "." + task.kind().word(), doses, head.words());
    }
    var site =
        new LayerResult.MeasuredSite(
            task.one(),
            task.kind(),
            task.set(),
            sweep.images(),
            settings.tau(),
            task.set().isOwn());
    return LayerResult.of(site, all, RealTokens.medians(sweep, edited(sweep), what.units), doses);
  }

  /** Measures the first units, or reads what was measured before. */
  private SteerabilityFolder.Part measure(
      Measured what, int count, SteerabilityFolder folder, Progress progress) {
    UnitTask one = what.task;
    String kind = one.kind().word();
    SteerabilityFolder.Part all = SteerabilityFolder.Part.NONE;
    Measuring measuring = null;
    try (var task =
        progress.start(
            "steering " + one.place() + ", " + kind + " set to " + one.set(), count, kind)) {
      boolean closed = what.scene.sweep() instanceof LastLayer;
      for (UnitTask.UnitPart some : one.parts(count, closed)) {
        SteerabilityFolder.Part part = folder.read(some);
        if (part == null) {
          if (measuring == null) measuring = measuring(one, what.scene, what.units, what.alike);
          part = measuring.run(some.from(), some.from() + some.count());
          folder.write(some, part);
        }
        all = all.plus(part);
        task.advance(some.count(), flopsOfUnit(one) * part.evaluated());
      }
    }
    return all;
  }

  /** Operations for a unit on an image. */
  double flopsOfUnit(UnitTask task) {
    return model.vision().flopsAfter(task.one().point().layer());
  }

  /** Ready to measure a task's units. */
  Measuring measuring(UnitTask task, SteeredScene scene, SteeredUnits units, Similarity alike) {
    return new Measuring(
        scene.sweep(),
        units,
        units.shifts(scene.sweep().residuals()),
        edited(scene.sweep()),
        alike,
        settings,
        task.isFeatures() ? units().names(task.one().entry().folder()) : Map.of());
  }

  /**
   * The dose-response of the features that steer most: of those above τ, where they are set to a
   * number.
   */
  private List<Dose> doses(Measured what, List<UnitScore> scores) {
    boolean own = what.task.set().isOwn();
    List<Dosing.DosedFeature> most =
        scores.stream()
            .filter(score -> (own || score.isAbove(settings.tau())) && score.top() >= 0)
            .sorted(Comparator.comparingDouble(UnitScore::unbiased).reversed())
            .limit(settings.dose())
            .sorted(Comparator.comparingInt(UnitScore::unit))
            .map(
                score ->
                    new Dosing.DosedFeature(
                        score.unit(),
                        score.top(),
                        own ? units().range(what.task.one(), score.unit()) : null))
            .toList();
    if (most.isEmpty()) return List.of();
    return Dosing.run(
        what.scene.sweep(),
        what.task.one().sae(),
        edited(what.scene.sweep()),
        most,
        Dosing.strengths(what.task.set()));
  }

  /** The numbers below n in random order (Fisher-Yates). */
  static int[] shuffled(int n, long seed) {
    Integer[] order = new Integer[n];
    Arrays.setAll(order, i -> i);
    Collections.shuffle(Arrays.asList(order), new SplittableRandom(seed));
    return Arrays.stream(order).mapToInt(Integer::intValue).toArray();
  }
}
