// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.label;

import io.clipsteer.data.stats.RandomOrder;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.lab.index.FeatureQuery;
import io.clipsteer.lab.index.IndexFolder;
import io.clipsteer.lab.label.LabelledUnit.LabelledKind;
import io.clipsteer.lab.label.PlanMaker.PlanSettings;
import io.clipsteer.lab.label.UnitScan.Scanned;
import io.clipsteer.lab.label.UnitScan.ScannedSite;
import io.clipsteer.lab.run.RunSaes;
import io.clipsteer.lab.run.UntrainedSae;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Draws the units of a human evaluation: candidates of a run and its index first, then, with their
 * activations, those that are active on enough images.
 *
 * <p>A coordinate, a direction and a random sheet count as active on as many images as one of the
 * trained features, drawn at random: with as many images, their queries are as hard.
 */
final class UnitDraw implements AutoCloseable {
  private static final int STRATA = 4;

  /** Units are drawn in reserve: some are active on too few images. */
  private static final int RESERVE = 3;

  /** A unit that may be taken, and where its activations are. */
  record UnitCandidate(LabelledUnit unit, int site, int column) {}

  /**
   * A unit that was taken.
   *
   * @param most the activation with the strongest colour in heat maps
   */
  record Taken(UnitCandidate candidate, SheetDraw draw, float most) {
    LabelledKind kind() {
      return candidate.unit.kind();
    }

    /** The unit, with the share of the images on which it is active. */
    LabelledUnit measured() {
      LabelledUnit unit = candidate.unit;
      return new LabelledUnit(
          unit.kind(),
          unit.sae(),
          unit.layer(),
          unit.number(),
          draw.share(),
          unit.stratum(),
          unit.name(),
          unit.scores());
    }
  }

  /**
   * The units of a study.
   *
   * @param study trained features and controls
   * @param practice a trained feature that is not among them; null where none remains
   * @param images that were scanned
   */
  record DrawnUnits(List<Taken> study, @Nullable Taken practice, int images) {
    /** The study's units, then the one for practice. */
    List<Taken> all() {
      List<Taken> all = new ArrayList<>(study);
      if (practice != null) all.add(practice);
      return all;
    }
  }

  /** Candidates of one SAE and kind; of features by stratum of frequency. */
  private record Group(LabelledKind kind, int sae, List<UnitCandidate> candidates) {}

  private final RunSaes saes;
  private final IndexFolder index;
  private final PlanSettings settings;
  private final SplittableRandom random;
  private final List<ScannedSite> sites = new ArrayList<>();
  private final List<Sae> untrained = new ArrayList<>();
  private final List<Group> groups = new ArrayList<>();

  private UnitDraw(
      RunSaes saes, IndexFolder index, PlanSettings settings, SplittableRandom random) {
    this.saes = saes;
    this.index = index;
    this.settings = settings;
    this.random = random;
  }

  /** Draws the candidates. */
  static UnitDraw of(
      RunSaes saes, IndexFolder index, PlanSettings settings, SplittableRandom random) {
    UnitDraw draw = new UnitDraw(saes, index, settings, random);
    for (int s = 0; s < saes.all().size(); s++) {
      int width = saes.all().get(s).sae().width();
      draw.addFeatures(s);
      draw.addControls(s, LabelledKind.NEURON, 2 * width);
      draw.addControls(s, LabelledKind.DIRECTION, Integer.MAX_VALUE);
      draw.addControls(s, LabelledKind.UNTRAINED, saes.all().get(s).sae().features());
    }
    return draw;
  }

  /** Where the candidates' activations are to be read. */
  List<ScannedSite> sites() {
    return sites;
  }

  @Override
  public void close() {
    untrained.forEach(Sae::close);
  }

  /** Features of an SAE by stratum of frequency, in random order. */
  private void addFeatures(int s) {
    RunSaes.One one = saes.all().get(s);
    String sae = one.entry().folder();
    var rows =
        FeatureQuery.run(
                index,
                "SELECT id, image_frequency, frequency, monosemanticity, name, name_margin FROM"
                    + " features WHERE images >= "
                    + SheetDraw.FEWEST
                    + " AND sae = '"
                    + sae.replace("'", "''")
                    + "' ORDER BY image_frequency, id")
            .rows();
    List<Integer> numbers = new ArrayList<>();
    for (int stratum = 0; stratum < STRATA; stratum++) {
      int from = rows.size() * stratum / STRATA;
      int to = rows.size() * (stratum + 1) / STRATA;
      List<UnitCandidate> own = new ArrayList<>();
      int[] order = RandomOrder.of(to - from, random);
      for (int k = 0; k < Math.min(order.length, RESERVE * settings.features()); k++) {
        List<@Nullable Object> row = rows.get(from + order[k]);
        if (!(row.get(0) instanceof Number id)) continue;
        Map<String, Double> scores = new LinkedHashMap<>();
        score(scores, "image_frequency", row.get(1));
        score(scores, "frequency", row.get(2));
        score(scores, "monosemanticity", row.get(3));
        score(scores, "name_margin", row.get(5));
        String name = row.get(4) instanceof String text ? text : null;
        var unit =
            new LabelledUnit(
                LabelledKind.FEATURE,
                sae,
                one.point().layer(),
                id.intValue(),
                0,
                stratum,
                name,
                scores);
        own.add(new UnitCandidate(unit, sites.size(), numbers.size()));
        numbers.add(id.intValue());
      }
      groups.add(new Group(LabelledKind.FEATURE, s, own));
    }
    int[] all = numbers.stream().mapToInt(Integer::intValue).toArray();
    sites.add(new UnitScan.OfFeatures(one.point(), one.selection(), one.sae(), all));
  }

  private static void score(Map<String, Double> scores, String name, @Nullable Object value) {
    if (value instanceof Number number) scores.put(name, number.doubleValue());
  }

  private void addControls(int s, LabelledKind kind, int of) {
    RunSaes.One one = saes.all().get(s);
    int count = Math.min(of, RESERVE * (settings.controls() / saes.all().size() + 1));
    int[] numbers =
        of == Integer.MAX_VALUE
            ? IntStream.range(0, count).toArray()
            : Arrays.copyOf(RandomOrder.of(of, random), count);
    List<UnitCandidate> all = new ArrayList<>();
    for (int k = 0; k < count; k++) {
      var unit =
          new LabelledUnit(
              kind,
              kind == LabelledKind.UNTRAINED ? one.entry().folder() : one.point().toString(),
              one.point().layer(),
              numbers[k],
              0,
              0,
              null,
              Map.of());
      all.add(new UnitCandidate(unit, sites.size(), k));
    }
    sites.add(
        switch (kind) {
          case NEURON -> new UnitScan.OfNeurons(one.point(), one.selection(), numbers);
          case DIRECTION ->
              new UnitScan.OfDirections(
                  one.point(), one.selection(), directions(count, one.sae().width()), numbers);
          default -> new UnitScan.OfFeatures(one.point(), one.selection(), random(one), numbers);
        });
    groups.add(new Group(kind, s, all));
  }

  private float[][] directions(int count, int width) {
    float[][] all = new float[count][width];
    for (float[] one : all) {
      double square = 0;
      for (int j = 0; j < width; j++) {
        one[j] = (float) random.nextGaussian();
        square += (double) one[j] * one[j];
      }
      for (int j = 0; j < width; j++) one[j] /= (float) Math.sqrt(square);
    }
    return all;
  }

  private Sae random(RunSaes.One one) {
    int k = (int) Math.max(1, Math.round(one.entry().l0()));
    Sae made = UntrainedSae.like(one.sae(), Math.min(k, one.sae().features()), random.nextLong());
    untrained.add(made);
    return made;
  }

  /**
   * Takes units that are active on enough images.
   *
   * @param labels of the images
   */
  DrawnUnits take(Scanned scanned, List<Set<String>> labels) {
    List<Taken> study = new ArrayList<>();
    List<UnitCandidate> rest = new ArrayList<>();
    for (LabelledKind kind : LabelledKind.values()) {
      List<Group> own = groups.stream().filter(group -> group.kind == kind).toList();
      int total = kind == LabelledKind.FEATURE ? settings.features() : settings.controls();
      int taken = 0;
      for (int g = 0; g < own.size(); g++) {
        int goal = (int) Math.round((double) total * (g + 1) / own.size());
        for (UnitCandidate one : own.get(g).candidates) {
          Taken unit = taken < goal ? taken(one, scanned, labels, study) : null;
          if (unit != null) {
            study.add(unit);
            taken++;
          } else if (kind == LabelledKind.FEATURE) {
            rest.add(one);
          }
        }
      }
    }
    addRandomSheets(scanned, labels, study);
    return new DrawnUnits(study, practice(rest, scanned, labels), scanned.ids().size());
  }

  /** A candidate as a unit; null where it is active on too few images. */
  private @Nullable Taken taken(
      UnitCandidate one, Scanned scanned, List<Set<String>> labels, List<Taken> study) {
    float[] values = activations(one, scanned);
    LabelledKind kind = one.unit.kind();
    if (kind == LabelledKind.NEURON || kind == LabelledKind.DIRECTION) {
      Double share = shareOfFeature(study, one.unit.layer());
      if (share != null) values = strongest(values, share);
    }
    SheetDraw draw = SheetDraw.of(values, labels, random.split());
    return draw == null ? null : new Taken(one, draw, draw.most());
  }

  /** The largest activation on each image. */
  private static float[] activations(UnitCandidate one, Scanned scanned) {
    float[] values = new float[scanned.ids().size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = scanned.bySite().get(one.site).get(i).maxima()[one.column];
    }
    return values;
  }

  /**
   * The share of the images on which one of the trained features is active, of those of the layer
   * where there are any; null without features.
   */
  private @Nullable Double shareOfFeature(List<Taken> study, int layer) {
    List<Taken> all = study.stream().filter(unit -> unit.kind() == LabelledKind.FEATURE).toList();
    List<Taken> own = all.stream().filter(unit -> unit.candidate.unit.layer() == layer).toList();
    List<Taken> among = own.isEmpty() ? all : own;
    return among.isEmpty() ? null : among.get(random.nextInt(among.size())).draw.share();
  }

  /** The activations with all but the strongest share set to 0. */
  static float[] strongest(float[] values, double share) {
    int[] order =
        IntStream.range(0, values.length)
            .boxed()
            .sorted(Comparator.comparingDouble((Integer k) -> -values[k]))
            .mapToInt(Integer::intValue)
            .toArray();
    float[] kept = new float[values.length];
    int count = (int) Math.round(share * values.length);
    for (int k = 0; k < count; k++) kept[order[k]] = values[order[k]];
    return kept;
  }

  /**
   * Images drawn at random. Their heat maps are those of random directions: a sheet without maps
   * would tell that it is a random one.
   */
  private void addRandomSheets(Scanned scanned, List<Set<String>> labels, List<Taken> study) {
    List<UnitCandidate> directions =
        groups.stream()
            .filter(group -> group.kind == LabelledKind.DIRECTION)
            .flatMap(group -> group.candidates.stream())
            .toList();
    for (int k = 0; k < settings.controls(); k++) {
      Double share = shareOfFeature(study, -1);
      if (share == null) return;
      float[] values = new float[scanned.ids().size()];
      for (int i = 0; i < values.length; i++) values[i] = (float) random.nextDouble();
      SheetDraw draw = SheetDraw.of(strongest(values, share), labels, random.split());
      if (draw == null) continue;
      var unit =
          new LabelledUnit(
              LabelledKind.RANDOM_SHEET, "random", 0, k, draw.share(), 0, null, Map.of());
      UnitCandidate shown = directions.get(k % directions.size());
      float most = 0;
      for (float value : activations(shown, scanned)) most = Math.max(most, value);
      study.add(new Taken(new UnitCandidate(unit, shown.site, shown.column), draw, most));
    }
  }

  /** Of the features that were not taken the one with one idea, as far as the index knows. */
  private @Nullable Taken practice(
      List<UnitCandidate> rest, Scanned scanned, List<Set<String>> labels) {
    return rest.stream()
        .sorted(
            Comparator.comparingDouble(
                one -> -one.unit.scores().getOrDefault("monosemanticity", -1.0)))
        .map(one -> taken(one, scanned, labels, List.of()))
        .filter(Objects::nonNull)
        .findFirst()
        .orElse(null);
  }
}
