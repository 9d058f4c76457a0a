// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.AnswerHead;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.TokenMask;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.steer.LastLayer;
import io.clipsteer.engine.steer.Sweep;
import io.clipsteer.lab.index.UnitRange;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.RunFolder;
import io.clipsteer.lab.run.RunSaes;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
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
  private static final int CLOSED_UNITS = 4096;
  private static final int CONTINUED_UNITS = 64;

  /** Units from which the width of the intervals is forecast. */
  private static final int PILOT = 64;

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
    int[] order = shuffled(head.words().size(), settings.seed());
    for (int size : settings.vocabularies()) {
      List<LayerResult> first = List.of();
      // Two samples without a common word, or one where the words do not suffice.
      for (int from = 0; from < 2 * size && from + size <= order.length; from += size) {
        String draw = from == 0 ? "a" : "b";
        List<LayerResult> some =
            with(Arrays.copyOfRange(order, from, from + size))
                .measured("vocabulary-" + size + draw + ".", folder, progress, widths -> {})
                .layers();
        vocabularies.addAll(VocabularyResult.of(size, draw, some, last(whole), first));
        first = some;
      }
    }
    Findings beside = known.isEmpty() ? null : Findings.of(known, last(whole), settings.tau());
    return whole.with(vocabularies, beside);
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
    Map<HookPoint, Sweep> sweeps = new LinkedHashMap<>();
    Similarity alike = Similarity.of(head);
    try {
      List<HookPoint> points = saes.all().stream().map(RunSaes.One::point).toList();
      var images = new SteeredImages(model, batches, head, settings.seed());
      Map<HookPoint, double[]> maxima = new HashMap<>();
      List<ImageLoader.Skipped> skipped = images.prepare(points, sweeps, maxima, progress);
      double prepared = (System.nanoTime() - start) * 1e-9;
      List<Task> tasks = new ArrayList<>();
      sweeps.forEach(
          (point, sweep) -> {
            var scene = new Scene(sweep, Objects.requireNonNull(maxima.get(point)), alike, tag);
            for (Strength set : settings.set()) tasks.addAll(tasks(point, set, scene));
          });
      forecasts.accept(tasks.stream().map(task -> forecast(task, folder, progress)).toList());
      List<LayerResult> results = new ArrayList<>();
      for (Task task : tasks) results.add(measure(task, folder, progress));
      return new SteerabilityReport(
          model.source().path().toAbsolutePath().normalize().toString(),
          batches.set().origin().toString(),
          sweeps.values().iterator().next().images(),
          skipped,
          head.words().size(),
          settings,
          prepared,
          List.copyOf(results),
          BaselineComparison.of(results),
          List.of(),
          null);
    } finally {
      for (Sweep sweep : sweeps.values()) sweep.close();
    }
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

  /**
   * The images at a hook point.
   *
   * @param maxima largest value of every coordinate
   * @param tag begins the names of files
   */
  private record Scene(Sweep sweep, double[] maxima, Similarity alike, String tag) {}

  /** What is measured at a time: the units of one kind at an SAE's hook point, at one strength. */
  private record Task(RunSaes.One one, SteeredUnits.UnitKind kind, Strength set, Scene scene) {
    /** The SAE's name, or the hook point's for units that belong to no SAE. */
    String place() {
      return isFeatures() ? RunFolder.name(one.entry().folder()) : one.point().peerName();
    }

    /** Of its files. */
    String name() {
      return scene.tag + place() + "." + kind.word() + "." + set;
    }

    boolean isFeatures() {
      return kind == SteeredUnits.UnitKind.FEATURES;
    }
  }

  private List<Task> tasks(HookPoint point, Strength set, Scene scene) {
    List<Task> tasks = new ArrayList<>();
    for (SteeredUnits.UnitKind kind : settings.kinds()) {
      for (RunSaes.One one : saes.all()) {
        if (!one.point().equals(point)) continue;
        tasks.add(new Task(one, kind, set, scene));
        // Neurons and random directions belong to the hook point, not to one SAE.
        if (kind != SteeredUnits.UnitKind.FEATURES) break;
      }
    }
    return tasks;
  }

  /** Measures the first units, whose results the measurement takes over. */
  private Forecast forecast(Task what, SteerabilityFolder folder, Progress progress) {
    SteeredUnits units = units(what);
    int first = Math.min(PILOT, units.count());
    SteerabilityFolder.Part part = measure(what, units, first, folder, progress);
    return Forecast.of(
        what.place(), what.kind, part, settings.tau(), units.count(), what.scene.sweep.images());
  }

  private LayerResult measure(Task what, SteerabilityFolder folder, Progress progress) {
    SteeredUnits units = units(what);
    Sweep sweep = what.scene.sweep;
    SteerabilityFolder.Part all = measure(what, units, units.count(), folder, progress);
    folder.table(what.name(), all.scores(), head.words());
    boolean dosed = what.isFeatures() && what.set.equals(settings.dosed());
    List<Dose> doses = dosed ? doses(what, all.scores()) : List.of();
    if (!doses.isEmpty()) {
      folder.doses(what.scene.tag + what.place() + "." + what.kind.word(), doses, head.words());
    }
    var site =
        new LayerResult.MeasuredSite(
            what.one, what.kind, what.set, sweep.images(), settings.tau(), what.set.isOwn());
    return LayerResult.of(site, all, RealTokens.medians(sweep, edited(sweep), units), doses);
  }

  /** Measures the first units, or reads what was measured before. */
  private SteerabilityFolder.Part measure(
      Task what, SteeredUnits units, int count, SteerabilityFolder folder, Progress progress) {
    String kind = what.kind.word();
    int step = what.scene.sweep instanceof LastLayer ? CLOSED_UNITS : CONTINUED_UNITS;
    double flops = model.vision().flopsAfter(what.one.point().layer());
    SteerabilityFolder.Part all = SteerabilityFolder.Part.NONE;
    Measuring measuring = null;
    try (var task =
        progress.start(
            "steering " + what.place() + ", " + kind + " set to " + what.set, count, kind)) {
      for (int from = 0; from < count; ) {
        int some = Math.min(from == 0 ? PILOT : step, count - from);
        SteerabilityFolder.Part part = folder.read(what.name(), from, some);
        if (part == null) {
          if (measuring == null) measuring = measuring(what, units);
          part = measuring.run(from, from + some);
          folder.write(what.name(), from, part);
        }
        all = all.plus(part);
        task.advance(some, flops * part.evaluated());
        from += some;
      }
    }
    return all;
  }

  private Measuring measuring(Task what, SteeredUnits units) {
    return new Measuring(
        what.scene.sweep,
        units,
        units.shifts(what.scene.sweep.residuals()),
        edited(what.scene.sweep),
        what.scene.alike,
        settings,
        what.isFeatures() ? names(what.one.entry().folder()) : Map.of());
  }

  /** Rows of the names of an SAE's features. */
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

  /**
   * The dose-response of the features that steer most: of those above τ, where they are set to a
   * number.
   */
  private List<Dose> doses(Task what, List<UnitScore> scores) {
    boolean own = what.set.isOwn();
    List<Dosing.DosedFeature> most =
        scores.stream()
            .filter(score -> (own || score.isAbove(settings.tau())) && score.top() >= 0)
            .sorted(Comparator.comparingDouble(UnitScore::unbiased).reversed())
            .limit(settings.dose())
            .sorted(Comparator.comparingInt(UnitScore::unit))
            .map(
                score ->
                    new Dosing.DosedFeature(
                        score.unit(), score.top(), own ? range(what.one, score.unit()) : null))
            .toList();
    if (most.isEmpty()) return List.of();
    return Dosing.run(
        what.scene.sweep,
        what.one.sae(),
        edited(what.scene.sweep),
        most,
        Dosing.strengths(what.set));
  }

  /** The range of a feature in the index; of one that is not there, none. */
  private UnitRange range(RunSaes.One one, int id) {
    Findings.IndexedFeature feature = known.getOrDefault(one.entry().folder(), Map.of()).get(id);
    return feature == null ? new UnitRange(0, List.of()) : feature.range();
  }

  private SteeredUnits units(Task what) {
    Sae sae = what.one.sae();
    Strength set = what.set;
    return switch (what.kind) {
      case FEATURES -> features(what.one, set, features(what.one, set));
      case NEURONS ->
          new SteeredUnits.NeuronUnits(
              Arrays.stream(what.scene.maxima)
                  .map(max -> set.of(new UnitRange(max, List.of())))
                  .toArray());
      case RANDOM -> {
        if (set.isOwn()) {
          int[] ids = features(what.one, set);
          int[] order = shuffled(ids.length, settings.seed());
          int[] like = new int[settings.randoms()];
          for (int k = 0; k < like.length; k++) like[k] = ids[order[k % ids.length]];
          yield new SteeredUnits.PairedUnits(features(what.one, set, like), settings.seed());
        }
        yield new SteeredUnits.RandomUnits(
            settings.randoms(),
            sae.width(),
            SteeredUnits.decoderLength(sae),
            sae.normalisation(),
            set.number(),
            settings.seed());
      }
    };
  }

  private SteeredUnits.FeatureUnits features(RunSaes.One one, Strength set, int[] ids) {
    double[] strengths = Arrays.stream(ids).mapToDouble(id -> set.of(range(one, id))).toArray();
    return new SteeredUnits.FeatureUnits(one.sae(), ids, strengths);
  }

  /**
   * All features of an SAE or a random sample, rising; for strengths in their own units those that
   * were ever active.
   */
  private int[] features(RunSaes.One one, Strength set) {
    int all = one.sae().features();
    int sample = settings.sample() == 0 ? all : Math.min(settings.sample(), all);
    int[] ids =
        Arrays.stream(shuffled(all, settings.seed()))
            .limit(sample)
            .sorted()
            .filter(id -> !set.isOwn() || range(one, id).max() > 0)
            .toArray();
    if (ids.length == 0) {
      throw new InputException(
          one.entry().folder(), "no feature was active on the index's images", "Index more images");
    }
    return ids;
  }

  /** The numbers below n in random order (Fisher-Yates). */
  static int[] shuffled(int n, long seed) {
    Integer[] order = new Integer[n];
    Arrays.setAll(order, i -> i);
    Collections.shuffle(Arrays.asList(order), new SplittableRandom(seed));
    return Arrays.stream(order).mapToInt(Integer::intValue).toArray();
  }
}
