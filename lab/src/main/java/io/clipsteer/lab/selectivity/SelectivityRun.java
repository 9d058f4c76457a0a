// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.selectivity;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.json.JsonFile;
import io.clipsteer.data.stats.Holm;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.AnswerHead;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.lab.probe.ImageInterval;
import io.clipsteer.lab.probe.Probe;
import io.clipsteer.lab.probe.ProbeData;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.RunSaes;
import io.clipsteer.lab.selectivity.ClassEffect.ControlEffect;
import io.clipsteer.lab.selectivity.ClassEffect.ControlKind;
import io.clipsteer.lab.selectivity.FeatureSelection.ChosenFeatures;
import io.clipsteer.lab.selectivity.SelectivitySettings.FeatureChoice;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
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
  private static final int DESTINATIONS = 5;
  private static final int FEWEST = 5;

  /** Labelled images. */
  public record LabelledSet(ProbeData data, Images images) {}

  /** Does the study. */
  public SelectivityReport run(Path folder, Progress progress) {
    long start = System.nanoTime();
    try (Splits splits = splits(progress);
        Sae untrained = ControlDirections.untrained(one.sae(), settings.seed());
        EditedAnswers answers = answers(splits.tested)) {
      KeptImages training = splits.training;
      KeptImages tested = splits.tested;
      ItemLabels labels = ItemLabels.of(test.data, test.images, tested, model.vision());
      LabelledSet from = train == null ? test : train;
      int[] known = ItemLabels.of(from.data, from.images, training, model.vision()).labels();
      Items items = Items.of(training, whole == null);
      ItemCodes codes = ItemCodes.of(tested, one.sae());
      List<ClassEffect> effects = new ArrayList<>();
      Map<String, String> without = new LinkedHashMap<>();
      int[] classes = classes(known, answers, without);
      try (@Nullable EditedAnswers tried =
              settings.select() == FeatureChoice.EFFECT ? answers(training) : null;
          var task = progress.start("editing features", classes.length, "classes")) {
        var selection = new FeatureSelection(settings, probe.classes(), tried);
        SaeReading read = selection.read(training, items, known, one.sae());
        SaeReading random = selection.read(training, items, known, untrained);
        var controls =
            new ControlDirections(read, random, training, settings.controls(), settings.seed());
        Scene scene = new Scene(answers, codes, labels, selection, controls);
        for (int c : classes) {
          Path file = folder.resolve("classes").resolve(c + ".json");
          if (Files.exists(file)) {
            effects.addAll(saved(file));
          } else {
            List<ClassEffect> mine = effects(c, scene);
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
      int[] order =
          ControlDirections.some(
              IntStream.range(0, n).toArray(), n, new SplittableRandom(settings.seed()));
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

  /** Classes with enough items in both splits. */
  private int[] classes(int[] labels, EditedAnswers answers, Map<String, String> without) {
    List<Integer> some = new ArrayList<>();
    for (int c = 0; c < probe.classes().size(); c++) {
      int label = c;
      String name = probe.classes().get(c);
      if (!settings.only().isEmpty() && !settings.only().contains(name)) continue;
      long known = Arrays.stream(labels).filter(l -> l == label).count();
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

  // ---- one class -------------------------------------------------------------------------------

  /** What all classes are evaluated with. */
  private record Scene(
      EditedAnswers answers,
      ItemCodes codes,
      ItemLabels labels,
      FeatureSelection selection,
      ControlDirections controls) {}

  private List<ClassEffect> effects(int label, Scene scene) {
    SaeReading read = scene.controls.read();
    ChosenFeatures chosen = scene.selection.features(label, read, settings.feature());
    int other = scene.selection.features(label, scene.controls.untrained(), null).first();
    Map<ControlKind, List<float[]>> controls = scene.controls.of(label, chosen.features(), other);
    List<float[]> directions = new ArrayList<>();
    controls.values().forEach(directions::addAll);
    int d = one.sae().width();
    float[] all = new float[directions.size() * d];
    for (int k = 0; k < directions.size(); k++) {
      System.arraycopy(directions.get(k), 0, all, k * d, d);
    }
    List<ClassEffect> effects = new ArrayList<>();
    for (double scale : settings.scales()) {
      Move move = Move.of(chosen.features(), scale, one.sae(), read.codes(), scene.codes);
      boolean[] active = active(scene.codes, chosen.features(), scene.answers.items());
      int[] after = scene.answers.together(move.directions(), move.shifts());
      List<ItemChange> changes = new ArrayList<>();
      for (int k = 0; k <= directions.size(); k++) {
        changes.add(changed(label, scene, active, after));
      }
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
      ChosenFeatures chosen,
      double scale,
      Scene scene,
      List<ItemChange> changes,
      int[] after,
      Map<ControlKind, List<float[]>> controls) {
    int feature = chosen.first();
    SaeReading read = scene.controls.read();
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
        chosen.features(),
        read.statistics(label).f1()[feature][label],
        read.statistics(label).auroc()[feature][label],
        chosen.aim(),
        scale,
        scale * read.codes().max(feature),
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
