// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.engine.model.TokenMask;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.steer.LastLayer;
import io.clipsteer.engine.steer.Sweep;
import io.clipsteer.lab.answer.ZeroShot;
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
import java.util.SplittableRandom;
import java.util.function.Consumer;
import java.util.stream.IntStream;

/**
 * Measures steerability. The images pass through the tower once, and their residuals at each hook
 * point are kept; behind the last block a closed form gives the answers of all units, elsewhere the
 * tower continues with edited copies. Results are written after every few units.
 *
 * @param saes of the layers to measure
 * @param library the vocabulary
 * @param known features in an index, by SAE; empty without an index
 */
public record SteerabilityRun(
    ClipModel model,
    Images batches,
    RunSaes saes,
    TextLibrary library,
    SteerabilitySettings settings,
    Map<String, Map<Integer, Findings.IndexedFeature>> known) {
  private static final int CLOSED_UNITS = 4096;
  private static final int CONTINUED_UNITS = 64;

  /** Units from which the width of the intervals is forecast. */
  private static final int PILOT = 64;

  /** Refuses a vocabulary or tokens that do not fit the model, before anything is written. */
  public void check() {
    ZeroShot.checkFits(model, library);
    if (library.words().size() < 2) {
      throw new InputException("the vocabulary", "has one word", "Give at least two");
    }
    mask();
    for (int size : settings.vocabularies()) {
      if (size < 2 || size >= library.words().size()) {
        throw new InputException(
            "--vocabulary-sizes " + size,
            "not from 2 to " + (library.words().size() - 1),
            "The vocabulary has " + library.words().size() + " words");
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
    int[] order = shuffled(library.words().size(), settings.seed());
    for (int size : settings.vocabularies()) {
      List<LayerResult> first = List.of();
      // Two samples without a common word, or one where the words do not suffice.
      for (int from = 0; from < 2 * size && from + size <= order.length; from += size) {
        String draw = from == 0 ? "a" : "b";
        List<LayerResult> some =
            with(Arrays.copyOfRange(order, from, from + size))
                .measured("vocabulary-" + size + draw + ".", folder, progress, widths -> {})
                .layers();
        vocabularies.addAll(VocabularyResult.of(size, draw, some, whole.layers(), first));
        first = some;
      }
    }
    return whole.with(
        vocabularies, known.isEmpty() ? null : Findings.of(known, whole.layers(), settings.tau()));
  }

  /** The measurement with some words, in the vocabulary's order, and without dose-response. */
  SteerabilityRun with(int[] rows) {
    Arrays.sort(rows);
    int e = library.width();
    float[] embeddings = new float[rows.length * e];
    List<String> words = new ArrayList<>();
    for (int k = 0; k < rows.length; k++) {
      System.arraycopy(library.embeddings(), rows[k] * e, embeddings, k * e, e);
      words.add(library.words().get(rows[k]));
    }
    var some = new TextLibrary(words, embeddings, e);
    return new SteerabilityRun(model, batches, saes, some, settings.withoutDose(), Map.of());
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
    Similarity alike = Similarity.of(library);
    try {
      List<HookPoint> points = saes.all().stream().map(RunSaes.One::point).toList();
      var images = new SteeredImages(model, batches, library, settings.seed());
      List<ImageLoader.Skipped> skipped = images.prepare(points, sweeps, progress);
      double prepared = (System.nanoTime() - start) * 1e-9;
      List<Task> tasks = new ArrayList<>();
      sweeps.forEach(
          (point, sweep) -> {
            for (SteeredUnits.UnitKind kind : settings.kinds()) {
              for (RunSaes.One one : saes.all()) {
                if (!one.point().equals(point)) continue;
                tasks.add(new Task(one, kind, sweep, alike, tag));
                // Neurons and random directions belong to the hook point, not to one SAE.
                if (kind != SteeredUnits.UnitKind.FEATURES) break;
              }
            }
          });
      forecasts.accept(tasks.stream().map(task -> forecast(task, folder, progress)).toList());
      List<LayerResult> results = new ArrayList<>();
      for (Task task : tasks) results.add(measure(task, folder, progress));
      return new SteerabilityReport(
          model.source().path().toAbsolutePath().normalize().toString(),
          batches.set().origin().toString(),
          sweeps.values().iterator().next().images(),
          skipped,
          library.words().size(),
          settings,
          prepared,
          List.copyOf(results),
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

  /** What is measured at a time: the units of one kind at an SAE's hook point. */
  private record Task(
      RunSaes.One one, SteeredUnits.UnitKind kind, Sweep sweep, Similarity alike, String tag) {
    /** The SAE's name, or the hook point's for units that belong to no SAE. */
    String place() {
      boolean features = kind == SteeredUnits.UnitKind.FEATURES;
      return features ? RunFolder.name(one.entry().folder()) : one.point().peerName();
    }

    /** Of its files. */
    String name() {
      return tag + place() + "." + kind.word();
    }
  }

  /** Measures the first units, whose results the measurement takes over. */
  private Forecast forecast(Task what, SteerabilityFolder folder, Progress progress) {
    SteeredUnits units = units(what.kind, what.one.sae());
    int first = Math.min(PILOT, units.count());
    SteerabilityFolder.Part part = measure(what, units, first, folder, progress);
    return Forecast.of(
        what.place(), what.kind, part, settings.tau(), units.count(), what.sweep.images());
  }

  private LayerResult measure(Task what, SteerabilityFolder folder, Progress progress) {
    SteeredUnits units = units(what.kind, what.one.sae());
    SteerabilityFolder.Part all = measure(what, units, units.count(), folder, progress);
    folder.table(what.name(), all.scores(), library);
    boolean features = what.kind == SteeredUnits.UnitKind.FEATURES;
    List<Dose> doses = features ? doses(what, all.scores()) : List.of();
    if (!doses.isEmpty()) folder.doses(what.name(), doses, library);
    return LayerResult.of(what.one, what.kind, what.sweep.images(), settings.tau(), all, doses);
  }

  /** Measures the first units, or reads what was measured before. */
  private SteerabilityFolder.Part measure(
      Task what, SteeredUnits units, int count, SteerabilityFolder folder, Progress progress) {
    String kind = what.kind.word();
    int step = what.sweep instanceof LastLayer ? CLOSED_UNITS : CONTINUED_UNITS;
    double flops = model.vision().flopsAfter(what.one.point().layer());
    SteerabilityFolder.Part all = SteerabilityFolder.Part.NONE;
    Measuring measuring = null;
    try (var task = progress.start("steering " + what.place() + ", " + kind, count, kind)) {
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
    boolean features = what.kind == SteeredUnits.UnitKind.FEATURES;
    return new Measuring(
        what.sweep,
        units,
        units.shifts(what.sweep.residuals()),
        edited(what.sweep),
        what.alike,
        settings,
        features ? names(what.one.entry().folder()) : Map.of());
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

  /** The dose-response of the most steerable features. */
  private List<Dose> doses(Task what, List<UnitScore> scores) {
    List<UnitScore> most =
        scores.stream()
            .filter(score -> score.isAbove(settings.tau()) && score.top() >= 0)
            .sorted(Comparator.comparingDouble(UnitScore::unbiased).reversed())
            .limit(settings.dose())
            .sorted(Comparator.comparingInt(UnitScore::unit))
            .toList();
    if (most.isEmpty()) return List.of();
    int[] ids = most.stream().mapToInt(UnitScore::unit).toArray();
    int[] words = most.stream().mapToInt(UnitScore::top).toArray();
    return Dosing.run(
        what.sweep, what.one.sae(), edited(what.sweep), ids, words, settings.strength());
  }

  private SteeredUnits units(SteeredUnits.UnitKind kind, Sae sae) {
    double strength = settings.strength();
    return switch (kind) {
      case FEATURES -> new SteeredUnits.FeatureUnits(sae, features(sae), strength);
      case NEURONS -> new SteeredUnits.NeuronUnits(sae.width(), strength);
      case RANDOM ->
          new SteeredUnits.RandomUnits(
              settings.randoms(),
              sae.width(),
              SteeredUnits.decoderLength(sae),
              sae.normalisation(),
              strength,
              settings.seed());
    };
  }

  /** All features of an SAE or a random sample, rising. */
  private int[] features(Sae sae) {
    int all = sae.features();
    int sample = settings.sample();
    if (sample == 0 || sample >= all) return IntStream.range(0, all).toArray();
    int[] ids = Arrays.copyOf(shuffled(all, settings.seed()), sample);
    Arrays.sort(ids);
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
