// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.selectivity;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.json.JsonFile;
import io.clipsteer.data.stats.Holm;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.AnswerHead;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SaeActivation;
import io.clipsteer.lab.probe.ImageInterval;
import io.clipsteer.lab.probe.Probe;
import io.clipsteer.lab.probe.ProbeData;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.RunSaes;
import io.clipsteer.lab.selectivity.ClassEffect.ControlEffect;
import io.clipsteer.lab.selectivity.ClassEffect.ControlKind;
import io.clipsteer.lab.selectivity.SelectivitySettings.FeatureChoice;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Studies whether a feature's edit changes the answers of one class and leaves the others. Features
 * are chosen on training images, and evaluated on others beside controls that move every token as
 * far. A class that is finished is written, and read when the study is resumed.
 *
 * @param one the SAE, and the hook point that is edited
 * @param whole the probe as a head of images; null for one of patches
 * @param train images that features are chosen on; null for a random half of the others
 */
public record SelectivityRun(
    ClipModel model,
    RunSaes.One one,
    Probe probe,
    @Nullable AnswerHead whole,
    @Nullable LabelledSet train,
    LabelledSet test,
    SelectivitySettings settings) {
  /** Features that are tried for {@link FeatureChoice#EFFECT}, of each statistic. */
  private static final int CANDIDATES = 12;

  private static final int DESTINATIONS = 5;
  private static final int FEWEST = 5;

  /** Labelled images. */
  public record LabelledSet(ProbeData data, Images images) {}

  /** Does the study. */
  public SelectivityReport run(Path folder, Progress progress) {
    long start = System.nanoTime();
    try (Splits splits = splits(progress);
        Sae untrained = untrained();
        EditedAnswers answers = answers(splits.tested)) {
      KeptImages training = splits.training;
      KeptImages tested = splits.tested;
      ItemLabels labels = ItemLabels.of(test.data, test.images, tested, model.vision());
      Choice choice = choice(training, one.sae());
      Choice random = choice(training, untrained);
      ItemCodes codes = ItemCodes.of(tested, one.sae());
      List<ClassEffect> effects = new ArrayList<>();
      Map<String, String> without = new LinkedHashMap<>();
      int[] classes = classes(choice, answers, without);
      try (@Nullable EditedAnswers tried =
              settings.select() == FeatureChoice.EFFECT ? answers(training) : null;
          var task = progress.start("editing features", classes.length, "classes")) {
        for (int c : classes) {
          Path file = folder.resolve("classes").resolve(c + ".json");
          if (Files.exists(file)) {
            effects.addAll(saved(file));
          } else {
            Scene scene = new Scene(answers, codes, labels, choice, random, training);
            List<ClassEffect> mine = effects(c, scene, tried);
            AtomicFiles.writeText(file, JsonFile.line(new Saved(mine)));
            effects.addAll(mine);
          }
          task.advance(1, 0);
        }
      }
      List<ImageLoader.Skipped> skipped = new ArrayList<>(training.skipped());
      skipped.addAll(tested.skipped());
      return new SelectivityReport(
          model.source().path().toAbsolutePath().normalize().toString(),
          test.images.set().origin().toString(),
          one.point().peerName(),
          probe.reads().task(),
          probe.reads().layer(),
          settings.select(),
          tested.images(),
          training.images(),
          adjusted(effects),
          without,
          skipped,
          (System.nanoTime() - start) * 1e-9);
    }
  }

  /** Both splits; they are distinct images. */
  private record Splits(KeptImages training, KeptImages tested) implements AutoCloseable {
    @Override
    public void close() {
      training.close();
      tested.close();
    }
  }

  private Splits splits(Progress progress) {
    var vision = model.vision();
    KeptImages all = KeptImages.of(vision, test.images, one.point(), progress);
    if (train != null) {
      return new Splits(KeptImages.of(vision, train.images, one.point(), progress), all);
    }
    try (all) {
      int n = all.images();
      int[] order = some(IntStream.range(0, n).toArray(), n, new SplittableRandom(settings.seed()));
      int[] first = Arrays.stream(order, 0, n / 2).sorted().toArray();
      int[] second = Arrays.stream(order, n / 2, n).sorted().toArray();
      if (first.length == 0) {
        throw new InputException(test.images.set().origin(), "has one image", "Give more images");
      }
      return new Splits(all.some(first), all.some(second));
    }
  }

  private record Saved(List<ClassEffect> scales) {}

  private List<ClassEffect> saved(Path file) {
    String remedy = "Delete it, and its class is studied again";
    Saved saved = JsonFile.read(file, Saved.class, remedy);
    if (saved.scales != null && saved.scales.size() == settings.scales().size()) {
      return saved.scales;
    }
    throw new InputException(file, "is not of this study", remedy);
  }

  private EditedAnswers answers(KeptImages kept) {
    boolean last = whole == null && probe.reads().layer() == one.point().layer();
    return last
        ? new LastPatches(kept, model.vision().finalNorm(), probe)
        : Continuing.of(model.vision(), one.point(), kept, probe, whole);
  }

  // ---- which feature ---------------------------------------------------------------------------

  /**
   * The training images as an SAE reads them.
   *
   * @param labels of their items
   * @param statistics by class
   */
  private record Choice(
      Sae sae,
      ItemCodes codes,
      Items items,
      int[] labels,
      Map<Integer, ClassStatistics> statistics) {
    ClassStatistics statistics(int label) {
      return Objects.requireNonNull(statistics.get(label));
    }
  }

  private Choice choice(KeptImages training, Sae sae) {
    Items items = Items.of(training, whole == null);
    LabelledSet from = train == null ? test : train;
    int[] labels = ItemLabels.of(from.data, from.images, training, model.vision()).labels();
    ItemCodes codes = ItemCodes.of(training, sae);
    int k = probe.classes().size();
    Map<Integer, ClassStatistics> statistics = new HashMap<>();
    if (settings.against().isEmpty()) {
      ClassStatistics all = ClassStatistics.of(codes, items, labels, k);
      for (int c = 0; c < k; c++) statistics.put(c, all);
    }
    for (String name : settings.against().isEmpty() ? List.<String>of() : settings.only()) {
      int own = probe.classes().indexOf(name);
      int other = aimed(own);
      int[] both = Arrays.stream(labels).map(l -> l == own || l == other ? l : -1).toArray();
      statistics.put(own, ClassStatistics.of(codes, items, both, k));
    }
    return new Choice(sae, codes, items, labels, statistics);
  }

  /** Classes with enough items in both splits. */
  private int[] classes(Choice choice, EditedAnswers answers, Map<String, String> without) {
    List<Integer> some = new ArrayList<>();
    for (int c = 0; c < probe.classes().size(); c++) {
      int label = c;
      String name = probe.classes().get(c);
      if (!settings.only().isEmpty() && !settings.only().contains(name)) continue;
      long known = Arrays.stream(choice.labels).filter(l -> l == label).count();
      long answered = Arrays.stream(answers.before()).filter(a -> a == label).count();
      if (known < FEWEST) {
        without.put(name, "fewer than " + FEWEST + " training items have this label");
      } else if (answered < FEWEST) {
        without.put(name, "the head answers so for fewer than " + FEWEST + " items");
      } else {
        some.add(c);
      }
    }
    if (some.isEmpty()) {
      throw new InputException(
          test.images.set().origin(), "no class can be studied: " + without, "Give more images");
    }
    return some.stream().mapToInt(Integer::intValue).toArray();
  }

  /**
   * Chosen features.
   *
   * @param aim what was maximised on the training images, where effects were tried
   */
  private record Chosen(List<Integer> features, @Nullable Double aim) {
    int first() {
      return features.getFirst();
    }
  }

  private Chosen feature(int label, Choice choice, @Nullable EditedAnswers tried) {
    Integer given = settings.feature();
    if (given != null && choice.sae == one.sae()) return new Chosen(List.of(given), null);
    float[][] f1 = choice.statistics(label).f1();
    float[][] auroc = choice.statistics(label).auroc();
    if (tried == null) {
      float[][] by = settings.select() == FeatureChoice.F1 ? f1 : auroc;
      return new Chosen(List.of(ClassStatistics.best(by, label, 1)[0]), null);
    }
    int[] candidates =
        IntStream.concat(
                Arrays.stream(ClassStatistics.best(f1, label, CANDIDATES)),
                Arrays.stream(ClassStatistics.best(auroc, label, CANDIDATES)))
            .distinct()
            .toArray();
    List<Integer> set = List.of();
    double most = Double.NEGATIVE_INFINITY;
    Softened soft = Softened.of(tried.logits(new float[0], List.of()), tried.classes());
    while (set.size() < settings.size()) {
      List<Integer> better = null;
      for (int f : candidates) {
        if (set.contains(f)) continue;
        List<Integer> more = new ArrayList<>(set);
        more.add(f);
        double aim = aim(label, more, choice, tried, soft);
        if (aim > most) {
          most = aim;
          better = more;
        }
      }
      if (better == null) break;
      set = better;
    }
    return new Chosen(set, most);
  }

  /** The class that a class's targets should become, or −1. */
  private int aimed(int label) {
    if (settings.against().isEmpty()) return -1;
    int at = settings.only().indexOf(probe.classes().get(label));
    return probe.classes().indexOf(settings.against().get(at));
  }

  private double aim(
      int label, List<Integer> features, Choice choice, EditedAnswers answers, Softened soft) {
    Move move = move(features, settings.scales().getFirst(), choice, choice.codes);
    return soft.aim(answers.logits(move.directions, move.shifts), label, aimed(label));
  }

  /** How an edit of features moves tokens: along unit directions, one for each. */
  private record Move(float[] directions, List<float[]> shifts) {
    /** How far each token moves, negative: as an ablation goes against its direction. */
    float[] lengths() {
      int n = shifts.size();
      if (n == 1) return shifts.getFirst();
      int d = directions.length / n;
      double[] products = new double[n * n];
      for (int a = 0; a < n; a++) {
        for (int b = 0; b < n; b++) {
          for (int j = 0; j < d; j++) {
            products[a * n + b] += (double) directions[a * d + j] * directions[b * d + j];
          }
        }
      }
      float[] lengths = new float[shifts.getFirst().length];
      for (int t = 0; t < lengths.length; t++) {
        double square = 0;
        for (int a = 0; a < n; a++) {
          float s = shifts.get(a)[t];
          if (s == 0) continue;
          for (int b = 0; b < n; b++) square += s * shifts.get(b)[t] * products[a * n + b];
        }
        lengths[t] = (float) -Math.sqrt(Math.max(0, square));
      }
      return lengths;
    }
  }

  private static Move move(List<Integer> features, double scale, Choice choice, ItemCodes codes) {
    int d = choice.sae.width();
    float[] directions = new float[features.size() * d];
    List<float[]> shifts = new ArrayList<>();
    for (int k = 0; k < features.size(); k++) {
      int f = features.get(k);
      System.arraycopy(unit(row(choice.sae, f)), 0, directions, k * d, d);
      shifts.add(shifts(codes, f, scale * choice.codes.max(f), choice.sae));
    }
    return new Move(directions, shifts);
  }

  // ---- one class -------------------------------------------------------------------------------

  /** What all classes are evaluated with. */
  private record Scene(
      EditedAnswers answers,
      ItemCodes codes,
      ItemLabels labels,
      Choice choice,
      Choice untrained,
      KeptImages training) {}

  private List<ClassEffect> effects(int label, Scene scene, @Nullable EditedAnswers tried) {
    Chosen chosen = feature(label, scene.choice, tried);
    int other = feature(label, scene.untrained, tried).first();
    Map<ControlKind, List<float[]>> controls = controls(label, chosen.features, other, scene);
    List<float[]> directions = new ArrayList<>();
    controls.values().forEach(directions::addAll);
    int d = one.sae().width();
    float[] all = new float[directions.size() * d];
    for (int k = 0; k < directions.size(); k++) {
      System.arraycopy(directions.get(k), 0, all, k * d, d);
    }
    List<ClassEffect> effects = new ArrayList<>();
    for (double scale : settings.scales()) {
      Move move = move(chosen.features, scale, scene.choice, scene.codes);
      boolean[] active = active(scene.codes, chosen.features, scene.answers.items());
      int[] after = scene.answers.together(move.directions, move.shifts);
      List<ItemChange> changes = new ArrayList<>();
      for (int k = 0; k <= directions.size(); k++)
        changes.add(changed(label, scene, active, after));
      scene.answers.under(
          all,
          move.lengths(),
          (k, answers) -> changes.set(k + 1, changed(label, scene, active, answers)));
      effects.add(effect(label, chosen, scale, scene, changes, after, controls));
    }
    return effects;
  }

  private ItemChange changed(int label, Scene scene, boolean[] active, int[] after) {
    EditedAnswers answers = scene.answers;
    return ItemChange.of(answers.items(), answers.before(), after, active, label);
  }

  private ClassEffect effect(
      int label,
      Chosen chosen,
      double scale,
      Scene scene,
      List<ItemChange> changes,
      int[] after,
      Map<ControlKind, List<float[]>> controls) {
    int feature = chosen.first();
    ItemChange own = changes.getFirst();
    int images = scene.answers.items().images();
    int[] once = ones(images);
    double difference = own.difference(once);
    Map<ControlKind, ControlEffect> beside = new EnumMap<>(ControlKind.class);
    int at = 1;
    int better = 0;
    int draws = 0;
    for (var kind : controls.entrySet()) {
      int n = kind.getValue().size();
      List<ItemChange> mine = changes.subList(at, at + n);
      at += n;
      double[] differences = mine.stream().mapToDouble(c -> c.difference(once)).toArray();
      beside.put(
          kind.getKey(),
          new ControlEffect(
              n,
              mine.stream().mapToDouble(c -> c.target(once)).average().orElse(0),
              mine.stream().mapToDouble(c -> c.other(once)).average().orElse(0),
              Arrays.stream(differences).average().orElse(0),
              Arrays.stream(differences).max().orElse(0)));
      if (!kind.getKey().isRandom()) continue;
      draws += n;
      better += (int) Arrays.stream(differences).filter(x -> x >= difference).count();
    }
    int[] before = scene.answers.before();
    ItemLabels labels = scene.labels;
    int k = probe.classes().size();
    return new ClassEffect(
        probe.classes().get(label),
        chosen.features,
        scene.choice.statistics(label).f1()[feature][label],
        scene.choice.statistics(label).auroc()[feature][label],
        chosen.aim,
        scale,
        scale * scene.choice.codes.max(feature),
        Arrays.stream(own.target()).asLongStream().sum(),
        (int) Arrays.stream(own.target()).filter(n -> n > 0).count(),
        ImageInterval.of(images, settings.seed(), own::target),
        own.other(once),
        finite(own.otherOn(once)),
        finite(own.otherOff(once)),
        ImageInterval.of(images, settings.seed(), own::difference),
        labels.score(before, k, whole != null),
        labels.score(after, k, whole != null),
        destinations(label, before, after),
        beside,
        better + 1,
        (better + 1.0) / (draws + 1),
        null);
  }

  private static @Nullable Double finite(double value) {
    return Double.isFinite(value) ? value : null;
  }

  private List<ClassEffect.Destination> destinations(int label, int[] before, int[] after) {
    int[] counts = new int[probe.classes().size()];
    int all = 0;
    for (int i = 0; i < before.length; i++) {
      if (before[i] != label) continue;
      all++;
      if (after[i] != label) counts[after[i]]++;
    }
    double targets = all;
    return IntStream.range(0, counts.length)
        .boxed()
        .filter(c -> counts[c] > 0)
        .sorted(Comparator.comparingInt(c -> -counts[c]))
        .limit(DESTINATIONS)
        .map(c -> new ClassEffect.Destination(probe.classes().get(c), counts[c] / targets))
        .toList();
  }

  // ---- controls --------------------------------------------------------------------------------

  /** Unit directions of each kind. */
  private Map<ControlKind, List<float[]>> controls(
      int label, List<Integer> features, int other, Scene scene) {
    var random = new SplittableRandom(settings.seed() * 31 + label);
    int d = one.sae().width();
    int n = settings.controls();
    Map<ControlKind, List<float[]>> controls = new EnumMap<>(ControlKind.class);
    for (ControlKind kind : ControlKind.values()) {
      List<float[]> mine = new ArrayList<>();
      switch (kind) {
        case RANDOM_DIRECTIONS -> {
          for (int k = 0; k < n; k++) {
            float[] direction = new float[d];
            for (int j = 0; j < d; j++) direction[j] = (float) random.nextGaussian();
            mine.add(unit(direction));
          }
        }
        case RANDOM_FEATURES -> {
          for (int f : alike(features, scene.choice.codes, n, random)) {
            mine.add(unit(row(one.sae(), f)));
          }
        }
        case NEURONS -> {
          for (int j : some(IntStream.range(0, d).toArray(), n, random)) {
            float[] direction = new float[d];
            direction[j] = 1;
            mine.add(direction);
          }
        }
        case CLASS_MEAN -> mine.add(classMean(label, scene.choice, scene.training));
        case UNTRAINED -> mine.add(unit(row(scene.untrained.sae, other)));
      }
      controls.put(kind, mine);
    }
    return controls;
  }

  /** Random features among those whose number of tokens is nearest to a feature's. */
  private static int[] alike(
      List<Integer> features, ItemCodes codes, int n, SplittableRandom random) {
    double own = Math.log(Math.max(1, codes.count(features.getFirst())));
    int[] nearest =
        IntStream.range(0, codes.features())
            .boxed()
            .filter(f -> !features.contains(f) && codes.count(f) > 0)
            .sorted(Comparator.comparingDouble(f -> Math.abs(Math.log(codes.count(f)) - own)))
            .limit(4L * n)
            .mapToInt(Integer::intValue)
            .toArray();
    return some(nearest, n, random);
  }

  private static int[] some(int[] from, int n, SplittableRandom random) {
    for (int i = from.length - 1; i > 0; i--) {
      int j = random.nextInt(i + 1);
      int other = from[i];
      from[i] = from[j];
      from[j] = other;
    }
    return Arrays.copyOf(from, Math.min(n, from.length));
  }

  /** From the mean token of the others to the class's: an edit goes against it. */
  private static float[] classMean(int label, Choice choice, KeptImages training) {
    int d = training.width();
    float[] rows = training.tokens().toFloats();
    double[] of = new double[d];
    double[] rest = new double[d];
    long n = 0;
    long others = 0;
    for (int t = 0; t < rows.length / d; t++) {
      int item = choice.items.of(t);
      if (item < 0 || choice.labels[item] < 0) continue;
      boolean mine = choice.labels[item] == label;
      double[] sum = mine ? of : rest;
      for (int j = 0; j < d; j++) sum[j] += rows[t * d + j];
      if (mine) n++;
      else others++;
    }
    float[] direction = new float[d];
    for (int j = 0; j < d; j++) {
      direction[j] = (float) (of[j] / Math.max(1, n) - rest[j] / Math.max(1, others));
    }
    return unit(direction);
  }

  /** An SAE of the same size with random weights, k features of which are active on a token. */
  private Sae untrained() {
    Sae like = one.sae();
    int d = like.width();
    int f = like.features();
    int k = like.activation() instanceof SaeActivation.TopK top ? top.k() : Math.min(32, f);
    try (Scope scope = Scope.open()) {
      Tensor decoder = Tensor.normal(new SplittableRandom(settings.seed()), 1, f, d).unit();
      return new Sae(
          new SaeActivation.TopK(k),
          like.normalisation(),
          scope.release(decoder.transpose(0, 1).contiguous().copy()),
          scope.release(Tensor.zeros(DType.F32, f)),
          scope.release(decoder.copy()),
          scope.release(Tensor.zeros(DType.F32, d)),
          false);
    }
  }

  // ---- small things ----------------------------------------------------------------------------

  private static float[] row(Sae sae, int feature) {
    try (Scope scope = Scope.open()) {
      return sae.decoder().narrow(0, feature, 1).contiguous().toFloats();
    }
  }

  private static double length(float[] row) {
    double square = 0;
    for (float x : row) square += (double) x * x;
    return Math.sqrt(square);
  }

  private static float[] unit(float[] row) {
    double length = Math.max(length(row), Double.MIN_NORMAL);
    float[] unit = new float[row.length];
    for (int j = 0; j < row.length; j++) unit[j] = (float) (row[j] / length);
    return unit;
  }

  /** How far each token moves along the feature's unit direction. */
  private static float[] shifts(ItemCodes codes, int feature, double value, Sae sae) {
    float[] shifts = codes.shifts(feature, value);
    float length = (float) length(row(sae, feature));
    for (int t = 0; t < shifts.length; t++) shifts[t] *= length;
    return shifts;
  }

  private static boolean[] active(ItemCodes codes, List<Integer> features, Items items) {
    boolean[] active = new boolean[items.count()];
    for (int feature : features) {
      for (int e = codes.starts()[feature]; e < codes.starts()[feature + 1]; e++) {
        int item = items.of(codes.tokens()[e]);
        if (item >= 0) active[item] = true;
      }
    }
    return active;
  }

  private static int[] ones(int n) {
    int[] ones = new int[n];
    Arrays.fill(ones, 1);
    return ones;
  }

  /** With Holm's adjustment over the classes of each scale. */
  private List<ClassEffect> adjusted(List<ClassEffect> effects) {
    List<ClassEffect> adjusted = new ArrayList<>(effects);
    for (double scale : settings.scales()) {
      int[] mine =
          IntStream.range(0, effects.size()).filter(i -> effects.get(i).scale() == scale).toArray();
      double[] p = Holm.adjust(Arrays.stream(mine).mapToDouble(i -> effects.get(i).p()).toArray());
      for (int i = 0; i < mine.length; i++) {
        adjusted.set(mine[i], effects.get(mine[i]).adjusted(p[i]));
      }
    }
    return List.copyOf(adjusted);
  }
}
