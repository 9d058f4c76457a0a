// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.label;

import io.clipsteer.data.Hashes;
import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.image.ImageDecoder;
import io.clipsteer.data.image.JpegEncoder;
import io.clipsteer.data.image.PilResize;
import io.clipsteer.data.image.RgbImage;
import io.clipsteer.data.imageset.ImageCursor;
import io.clipsteer.data.imageset.ImageItem;
import io.clipsteer.data.preprocess.Preprocessing;
import io.clipsteer.data.stats.RandomOrder;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.lab.index.FeatureQuery;
import io.clipsteer.lab.index.IndexFolder;
import io.clipsteer.lab.index.Labels;
import io.clipsteer.lab.label.LabelPlan.LabelTrial;
import io.clipsteer.lab.label.LabelPlan.ShownImage;
import io.clipsteer.lab.label.LabelPlan.TrialRole;
import io.clipsteer.lab.label.LabelledUnit.LabelledKind;
import io.clipsteer.lab.label.SheetDraw.Drawn;
import io.clipsteer.lab.label.UnitScan.Scanned;
import io.clipsteer.lab.label.UnitScan.ScannedSite;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.RunSaes;
import io.clipsteer.lab.run.UntrainedSae;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** Makes the plan of a human evaluation: draws units and images, and writes them to a folder. */
public final class PlanMaker {
  private static final int STRATA = 4;
  private static final int PRACTICES = 3;
  private static final double CAUGHT = 0.1;
  private static final int SIDE = 224;

  /** A random sheet is of a "unit" that is active on this share, or on forty images. */
  private static final double RANDOM_SHARE = 0.1;

  /** Units are drawn in reserve: some are active on too few images. */
  private static final int RESERVE = 3;

  /**
   * What is planned.
   *
   * @param run the run's folder, as it was named
   * @param tasks at least one
   * @param features trained ones
   * @param controls units of each kind of control
   * @param perFeature trials of each unit in 2AFC, intruder and verification
   */
  public record PlanSettings(
      String run,
      List<LabelTask> tasks,
      int features,
      int controls,
      int perFeature,
      int annotators,
      long seed) {}

  /** A unit that may be taken, and where its activations are. */
  private record Candidate(LabelledUnit unit, int site, int column) {}

  /** A unit that was taken. */
  private record Taken(Candidate candidate, float[] activations, SheetDraw draw) {}

  /** A trial whose images are numbers yet. */
  private record Sheet(LabelTask task, TrialRole role, int unit, List<Drawn> images) {}

  private final ClipModel model;
  private final Images images;
  private final RunSaes saes;
  private final IndexFolder index;
  private final Labels labels;
  private final PlanSettings settings;
  private final SplittableRandom random;
  private final List<ScannedSite> sites = new ArrayList<>();
  private final List<Sae> untrained = new ArrayList<>();

  /** Groups of candidates that are done, by kind. */
  private final Map<LabelledKind, Integer> done = new HashMap<>();

  private PlanMaker(
      ClipModel model,
      Images images,
      RunSaes saes,
      IndexFolder index,
      Labels labels,
      PlanSettings settings) {
    this.model = model;
    this.images = images;
    this.saes = saes;
    this.index = index;
    this.labels = labels;
    this.settings = settings;
    random = new SplittableRandom(settings.seed());
  }

  /**
   * Makes a plan in an empty folder.
   *
   * @param labels of the images, for queries with the same labels
   * @throws InputException when the index, or the images, give too few units
   */
  public static LabelPlan make(
      ClipModel model,
      Images images,
      RunSaes saes,
      IndexFolder index,
      Labels labels,
      PlanSettings settings,
      PlanFolder folder,
      Progress progress) {
    var maker = new PlanMaker(model, images, saes, index, labels, settings);
    try {
      return maker.make(folder, progress);
    } finally {
      maker.untrained.forEach(Sae::close);
    }
  }

  private LabelPlan make(PlanFolder folder, Progress progress) {
    List<List<Candidate>> wanted = candidates();
    Scanned scanned = UnitScan.run(model.vision(), images, sites, false, progress);
    List<Set<String>> own = labelSets(scanned);
    List<Taken> taken = new ArrayList<>();
    for (List<Candidate> kind : wanted) take(kind, scanned, own, taken);
    randomSheets(scanned.ids().size(), own, taken);
    List<Sheet> sheets = sheets(taken, own.stream().anyMatch(one -> !one.isEmpty()));
    LabelPlan plan = plan(folder, sheets, taken, scanned, progress);
    AtomicFiles.writeJson(folder.path().resolve(PlanFolder.PLAN), plan);
    return plan;
  }

  // ---- units -----------------------------------------------------------------------------------

  /** Candidates by group: each group gives its share of the units. */
  private List<List<Candidate>> candidates() {
    List<List<Candidate>> all = new ArrayList<>();
    for (int s = 0; s < saes.all().size(); s++) {
      RunSaes.One one = saes.all().get(s);
      all.addAll(features(one));
      all.add(controls(one, LabelledKind.NEURON, 2 * one.sae().width()));
      all.add(controls(one, LabelledKind.DIRECTION, Integer.MAX_VALUE));
      all.add(controls(one, LabelledKind.UNTRAINED, one.sae().features()));
    }
    return all;
  }

  /** Features of an SAE by stratum of frequency, in random order. */
  private List<List<Candidate>> features(RunSaes.One one) {
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
    List<List<Candidate>> strata = new ArrayList<>();
    List<Integer> numbers = new ArrayList<>();
    for (int stratum = 0; stratum < STRATA; stratum++) {
      int from = rows.size() * stratum / STRATA;
      int to = rows.size() * (stratum + 1) / STRATA;
      List<Candidate> own = new ArrayList<>();
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
        own.add(new Candidate(unit, sites.size(), numbers.size()));
        numbers.add(id.intValue());
      }
      strata.add(own);
    }
    sites.add(new UnitScan.OfFeatures(one.point(), one.selection(), one.sae(), ints(numbers)));
    return strata;
  }

  private static void score(Map<String, Double> scores, String name, @Nullable Object value) {
    if (value instanceof Number number) scores.put(name, number.doubleValue());
  }

  private static int[] ints(List<Integer> all) {
    return all.stream().mapToInt(Integer::intValue).toArray();
  }

  private List<Candidate> controls(RunSaes.One one, LabelledKind kind, int of) {
    int count = Math.min(of, RESERVE * (settings.controls() / saes.all().size() + 1));
    int[] numbers =
        of == Integer.MAX_VALUE
            ? IntStream.range(0, count).toArray()
            : Arrays.copyOf(RandomOrder.of(of, random), count);
    List<Candidate> all = new ArrayList<>();
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
      all.add(new Candidate(unit, sites.size(), k));
    }
    sites.add(
        switch (kind) {
          case NEURON -> new UnitScan.OfNeurons(one.point(), one.selection(), numbers);
          case DIRECTION ->
              new UnitScan.OfDirections(
                  one.point(), one.selection(), directions(count, one.sae().width()), numbers);
          default -> new UnitScan.OfFeatures(one.point(), one.selection(), random(one), numbers);
        });
    return all;
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

  /** Takes the first candidates that are active on enough images, up to the group's share. */
  private void take(
      List<Candidate> group, Scanned scanned, List<Set<String>> own, List<Taken> taken) {
    if (group.isEmpty()) return;
    LabelledKind kind = group.getFirst().unit.kind();
    boolean trained = kind == LabelledKind.FEATURE;
    int total = trained ? settings.features() : settings.controls();
    int groups = saes.all().size() * (trained ? STRATA : 1);
    long before = taken.stream().filter(one -> one.candidate.unit.kind() == kind).count();
    long goal = Math.round((double) total * done.merge(kind, 1, Integer::sum) / groups);
    for (Candidate one : group) {
      if (before >= goal) break;
      float[] values = new float[scanned.ids().size()];
      for (int i = 0; i < values.length; i++) {
        values[i] = scanned.bySite().get(one.site).get(i).maxima()[one.column];
      }
      SheetDraw draw = SheetDraw.of(values, own, random.split());
      if (draw == null) continue;
      taken.add(new Taken(one, values, draw));
      before++;
    }
  }

  private void randomSheets(int count, List<Set<String>> own, List<Taken> taken) {
    int before = taken.size();
    double share = Math.max(RANDOM_SHARE, 2.0 * SheetDraw.FEWEST / count);
    for (int k = 0; k < settings.controls(); k++) {
      float[] values = new float[count];
      for (int i = 0; i < count; i++) {
        values[i] = random.nextDouble() < share ? (float) random.nextDouble() : 0;
      }
      SheetDraw draw = SheetDraw.of(values, own, random.split());
      if (draw == null) continue;
      var unit =
          new LabelledUnit(
              LabelledKind.RANDOM_SHEET, "random", 0, k, draw.share(), 0, null, Map.of());
      taken.add(new Taken(new Candidate(unit, -1, k), values, draw));
    }
    if (before == 0) {
      throw new InputException(
          images.set().origin(),
          "no unit is active on " + SheetDraw.FEWEST + " of the images",
          "Give more images");
    }
  }

  private List<Set<String>> labelSets(Scanned scanned) {
    List<Set<String>> all = new ArrayList<>();
    for (int i = 0; i < scanned.ids().size(); i++) {
      Set<String> own = new HashSet<>();
      for (Labels.Label label : labels.labels(scanned.ids().get(i), scanned.classes().get(i))) {
        own.add(label.factor() + ": " + label.value());
      }
      all.add(own);
    }
    return all;
  }

  // ---- trials ----------------------------------------------------------------------------------

  /**
   * All sheets.
   *
   * @param labelled whether every second 2AFC query of an inactive image gets the labels of the
   *     other query
   */
  private List<Sheet> sheets(List<Taken> taken, boolean labelled) {
    List<Sheet> all = new ArrayList<>();
    for (int u = 0; u < taken.size(); u++) {
      for (LabelTask task : settings.tasks()) {
        int count = task == LabelTask.NAMING ? 1 : settings.perFeature();
        for (int k = 0; k < count; k++) {
          List<Drawn> shown = drawn(taken.get(u).draw, task, u + k, labelled);
          all.add(new Sheet(task, TrialRole.MAIN, u, shown));
        }
      }
    }
    int trained = best(taken);
    boolean afc = settings.tasks().contains(LabelTask.TWO_AFC);
    int caught = (int) Math.max(2, Math.round(CAUGHT * all.size()));
    for (int k = 0; k < caught; k++) {
      int u = random.nextInt(taken.size());
      SheetDraw draw = taken.get(u).draw;
      LabelTask task = afc ? LabelTask.TWO_AFC : LabelTask.INTRUDER;
      List<Drawn> shown = afc ? draw.sameQueries() : draw.sameImage();
      all.add(new Sheet(task, TrialRole.CATCH, u, shown));
    }
    for (int k = 0; k < PRACTICES; k++) {
      LabelTask task = settings.tasks().get(k % settings.tasks().size());
      SheetDraw draw = taken.get(trained).draw;
      all.add(new Sheet(task, TrialRole.PRACTICE, trained, drawn(draw, task, 0, false)));
    }
    return all;
  }

  /** The feature to practise with: one idea, as far as the index knows. */
  private static int best(List<Taken> taken) {
    return IntStream.range(0, taken.size())
        .boxed()
        .max(
            Comparator.comparingDouble(
                k -> taken.get(k).candidate.unit.scores().getOrDefault("monosemanticity", -1.0)))
        .orElseThrow();
  }

  private static List<Drawn> drawn(SheetDraw draw, LabelTask task, int k, boolean labelled) {
    return switch (task) {
      case NAMING -> draw.naming();
      case TWO_AFC -> draw.twoAfc(labelled && k % 2 == 1);
      case INTRUDER -> draw.intruder(1 + k % 10);
      case VERIFICATION -> draw.verification();
    };
  }

  // ---- files -----------------------------------------------------------------------------------

  private LabelPlan plan(
      PlanFolder folder,
      List<Sheet> sheets,
      List<Taken> taken,
      Scanned scanned,
      Progress progress) {
    Set<String> shown = new HashSet<>();
    Set<String> mapped = new HashSet<>();
    for (Sheet sheet : sheets) {
      for (Drawn one : sheet.images) {
        shown.add(scanned.ids().get(one.image()));
        if (sheet.task == LabelTask.NAMING) mapped.add(scanned.ids().get(one.image()));
      }
    }
    writeImages(folder, shown);
    Map<String, Integer> numbers = new HashMap<>();
    Scanned patches = null;
    if (!mapped.isEmpty()) {
      Images some = new Images(images.set().only(mapped), images.preprocessing(), images.options());
      patches = UnitScan.run(model.vision(), some, sites, true, progress);
      for (String id : patches.ids()) numbers.put(id, numbers.size());
    }
    List<LabelTrial> trials = new ArrayList<>();
    for (Sheet sheet : sheets) {
      List<ShownImage> all = new ArrayList<>();
      Taken unit = taken.get(sheet.unit);
      for (Drawn one : sheet.images) {
        String id = scanned.ids().get(one.image());
        String heat =
            sheet.task == LabelTask.NAMING && patches != null
                ? heat(unit, patches, numbers.getOrDefault(id, -1))
                : null;
        all.add(one.shown(blind(id), heat));
      }
      String id = blind(sheet.task + " " + sheet.role + " " + trials.size());
      trials.add(new LabelTrial("t" + id, sheet.task, sheet.role, sheet.unit, all));
    }
    Preprocessing shape = images.preprocessing();
    int patch = model.vision().config().patch();
    return new LabelPlan(
        LabelPlan.FORMAT,
        settings.run(),
        images.set().origin().toString(),
        scanned.ids().size(),
        settings.seed(),
        settings.annotators(),
        shape.height() / patch,
        shape.width() / patch,
        taken.stream().map(PlanMaker::measured).toList(),
        trials);
  }

  private static LabelledUnit measured(Taken one) {
    LabelledUnit unit = one.candidate.unit;
    return new LabelledUnit(
        unit.kind(),
        unit.sae(),
        unit.layer(),
        unit.number(),
        one.draw.share(),
        unit.stratum(),
        unit.name(),
        unit.scores());
  }

  private static @Nullable String heat(Taken unit, Scanned patches, int image) {
    Candidate one = unit.candidate;
    if (image < 0 || one.site < 0) return null;
    UnitScan.UnitActivations own = patches.bySite().get(one.site).get(image);
    int count = own.patches().length / own.maxima().length;
    if (count == 0) return null;
    byte[] bytes = new byte[count];
    for (int p = 0; p < count; p++) {
      float value = own.patches()[one.column * count + p];
      bytes[p] = (byte) Math.round(255 * Math.clamp(value / unit.draw.most(), 0, 1));
    }
    return Base64.getEncoder().encodeToString(bytes);
  }

  private String blind(String id) {
    byte[] text = (settings.seed() + " " + id).getBytes(StandardCharsets.UTF_8);
    return Hashes.sha256(text).substring(0, 16);
  }

  private void writeImages(PlanFolder folder, Set<String> shown) {
    try (ImageCursor cursor = images.set().only(shown).cursor()) {
      for (ImageItem item = cursor.next(); item != null; item = cursor.next()) {
        RgbImage seen =
            images
                .preprocessing()
                .resizedAndCropped(
                    ImageDecoder.decode(item.bytes(), item.id(), images.options().decoding()));
        double scale = Math.min(1, (double) SIDE / Math.max(seen.width(), seen.height()));
        int width = Math.max(1, (int) Math.round(seen.width() * scale));
        int height = Math.max(1, (int) Math.round(seen.height() * scale));
        byte[] jpeg =
            JpegEncoder.encode(PilResize.resize(seen, width, height, PilResize.Filter.LANCZOS));
        AtomicFiles.write(folder.image(blind(item.id())), jpeg);
      }
    }
  }
}
