// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Paused;
import io.clipsteer.engine.model.ReadOut;
import io.clipsteer.engine.model.Site;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.steer.Continued;
import io.clipsteer.engine.steer.LastLayer;
import io.clipsteer.engine.steer.Sweep;
import io.clipsteer.lab.answer.ZeroShot;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.RunSaes;
import io.clipsteer.lab.run.TowerWalk;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

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
    Map<String, Map<Integer, Findings.Known>> known) {
  /** Most bytes of residuals kept in memory. */
  private static final long KEPT_BYTES = 3L << 30;

  private static final int CLOSED_UNITS = 4096;
  private static final int CONTINUED_UNITS = 64;

  /** Refuses a vocabulary or tokens that do not fit the model, before anything is written. */
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

  /** The results of all hook points and kinds with one vocabulary. */
  private record Measured(
      List<LayerResult> results, int images, List<ImageLoader.Skipped> skipped, double prepared) {}

  /**
   * Measures, or resumes a stopped measurement.
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
   * Measures with this run's vocabulary.
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
      sweeps.forEach(
          (point, sweep) -> {
            for (SteeredUnits.Kind kind : settings.kinds()) {
              for (RunSaes.One one : saes.all()) {
                if (!one.point().equals(point)) continue;
                boolean features = kind == SteeredUnits.Kind.FEATURES;
                String sae = features ? one.entry().folder() : "";
                var group = new UnitGroup(point, sae, kind);
                Task task = new Task(group, sweep, one.sae(), edited(sweep), alike, tag);
                results.add(measure(task, folder, progress));
                // Neurons and random directions belong to the hook point, not to one SAE.
                if (!features) break;
              }
            }
          });
      int images = sweeps.values().iterator().next().images();
      return new Measured(List.copyOf(results), images, skipped, prepared);
    } finally {
      for (Sweep sweep : sweeps.values()) sweep.close();
    }
  }

  /** Which tokens of a sweep's images are edited. */
  private boolean[] edited(Sweep sweep) {
    int prefix = model.vision().config().prefixTokens();
    return Arrays.copyOf(settings.at().mask(prefix, prefix + patches()), sweep.tokens());
  }

  /** What is measured at a time. */
  private record Task(
      UnitGroup group, Sweep sweep, Sae sae, boolean[] edited, Similarity alike, String tag) {}

  private LayerResult measure(Task what, SteerabilityFolder folder, Progress progress) {
    UnitGroup group = what.group();
    SteeredUnits units = units(group.kind(), what.sae());
    String name = what.tag() + group.place() + "." + group.kind().word();
    int step = what.sweep() instanceof LastLayer ? CLOSED_UNITS : CONTINUED_UNITS;
    double flops = model.vision().flopsAfter(group.point().layer());
    SteerabilityFolder.Part all = SteerabilityFolder.Part.NONE;
    Measuring measuring = null;
    String title = "steering " + group.place() + ", " + group.kind().word();
    try (var task = progress.start(title, units.count(), group.kind().word())) {
      for (int from = 0; from < units.count(); from += step) {
        int count = Math.min(step, units.count() - from);
        SteerabilityFolder.Part part = folder.read(name, from, count);
        if (part == null) {
          if (measuring == null) measuring = measuring(what, units);
          part = measuring.run(from, from + count);
          folder.write(name, from, part);
        }
        all = all.plus(part);
        task.advance(count, flops * part.asked());
      }
    }
    folder.table(name, all.scores(), library);
    List<Dose> doses =
        group.kind() == SteeredUnits.Kind.FEATURES ? doses(what, all.scores()) : List.of();
    if (!doses.isEmpty()) folder.doses(name, doses, library);
    return LayerResult.of(group, what.sweep().images(), settings.tau(), all, doses);
  }

  private Measuring measuring(Task what, SteeredUnits units) {
    Sweep sweep = what.sweep();
    boolean screen = settings.screen() && !(sweep instanceof LastLayer);
    return new Measuring(
        sweep,
        units,
        units.shifts(sweep.residuals()),
        what.edited(),
        what.alike(),
        new Measuring.Plan(settings.tau(), screen, settings.seed()),
        names(what.group().sae()));
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

  /** The dose-response of the most steerable features. */
  private List<Dose> doses(Task what, List<UnitScore> scores) {
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
    return new Dosing(what.sweep(), what.sae(), what.edited()).run(ids, words, settings.strength());
  }

  private SteeredUnits units(SteeredUnits.Kind kind, Sae sae) {
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

  private int patches() {
    int patch = model.vision().config().patch();
    return batches.preprocessing().height() / patch * (batches.preprocessing().width() / patch);
  }

  /** The numbers below n in random order (Fisher-Yates). */
  static int[] shuffled(int n, long seed) {
    int[] order = IntStream.range(0, n).toArray();
    SplittableRandom random = new SplittableRandom(seed);
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
    TowerWalk walk =
        TowerWalk.past(model.vision(), saes.all().stream().map(RunSaes.One::point).toList());
    Map<HookPoint, List<Paused>> kept = new LinkedHashMap<>();
    for (HookPoint point : walk.points()) kept.put(point, new ArrayList<>());
    try (Scope scope = Scope.open();
        var task = progress.start("running to the hook points", batches.count(), "images")) {
      long[] bytes = new long[1];
      var skipped =
          batches.forEach(
              (batch, pixels) -> {
                walk.walk(
                    pixels,
                    paused -> {
                      Paused copy = copy(paused, scope);
                      kept.computeIfAbsent(copy.at(), p -> new ArrayList<>()).add(copy);
                      bytes[0] += copy.value().bytes() * (copy.middle() == null ? 1 : 2);
                    });
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
      for (List<Paused> parts : kept.values()) parts.forEach(Paused::close);
    }
  }

  private @Nullable ReadOut readOut(HookPoint point) {
    boolean last = point.layer() == model.vision().config().layers() - 1;
    return last && point.site() == Site.RESID_POST ? model.vision().readOut() : null;
  }

  /** A copy of what a hook point's sweep needs, released from the batch's scope. */
  private Paused copy(Paused paused, Scope scope) {
    boolean closed = readOut(paused.at()) != null;
    return paused.map(tensor -> scope.release((closed ? tensor.narrow(1, 0, 1) : tensor).copy()));
  }

  /** All images of a hook point, shuffled, so that the first few are a random sample. */
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
    int[] order = shuffled(Math.toIntExact(all.size(0)), settings.seed());
    long[] rows = Arrays.stream(order).asLongStream().toArray();
    return all.indexSelect(0, Tensor.of(rows, rows.length).to(all.device()));
  }
}
