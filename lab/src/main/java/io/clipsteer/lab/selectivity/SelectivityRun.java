// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.selectivity;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.image.ImageDecoder;
import io.clipsteer.data.image.LabelMap;
import io.clipsteer.data.image.RgbImage;
import io.clipsteer.data.imageset.ImageCursor;
import io.clipsteer.data.imageset.ImageItem;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.json.JsonFile;
import io.clipsteer.data.stats.Holm;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.AnswerHead;
import io.clipsteer.engine.model.ReadOut;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.lab.experiment.MapPicture;
import io.clipsteer.lab.probe.Probe;
import io.clipsteer.lab.probe.ProbeData;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.RunSaes;
import io.clipsteer.lab.selectivity.SelectivitySettings.FeatureChoice;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
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
            ControlDirections.of(read, random, training, settings.controls(), settings.seed());
        var study = new ClassStudy(answers, codes, labels, selection, controls);
        ClassStudy.MapDrawer drawer =
            (label, scale, own, after) ->
                whole != null ? null : map(label, scale, own, after, tested, study, folder);
        for (int c : classes) {
          Path file = folder.resolve("classes").resolve(c + ".json");
          if (Files.exists(file)) {
            effects.addAll(saved(file));
          } else {
            List<ClassEffect> mine = study.effects(c, drawer);
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
          local(),
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
    ReadOut norm = model.vision().finalNorm();
    return local() && norm != null
        ? new LastPatches(kept, norm, probe)
        : Continuing.of(model.vision(), one.point(), kept, probe, whole);
  }

  /** Whether the head reads patches of the edited layer. */
  private boolean local() {
    return whole == null && probe.reads().layer() == one.point().layer();
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
          test.images.set().origin(),
          "no class can be studied: "
              + without.entrySet().stream()
                  .map(one -> one.getKey() + ": " + one.getValue())
                  .collect(Collectors.joining("; ")),
          "Give more images");
    }
    return some.stream().mapToInt(Integer::intValue).toArray();
  }

  /** Draws the image with the most targets; null if it cannot be read any more. */
  private ClassEffect.@Nullable MapExample map(
      int label,
      double scale,
      ItemChange change,
      int[] after,
      KeptImages tested,
      ClassStudy study,
      Path folder) {
    int image = 0;
    for (int i = 1; i < change.target().length; i++) {
      if (change.target()[i] > change.target()[image]) image = i;
    }
    String id = tested.ids().get(image);
    RgbImage seen = decoded(id);
    if (seen == null) return null;
    String name = "maps/%d_%s.png".formatted(label, JsonFile.line(scale));
    LabelMap was = map(study.answers().before(), image, tested.patches());
    LabelMap is = map(after, image, tested.patches());
    MapPicture.write(folder.resolve(name), seen, test.images.preprocessing(), was, is);
    return new ClassEffect.MapExample(id, name, MapPicture.legend(was, is, probe.classes()));
  }

  private @Nullable RgbImage decoded(String id) {
    try (ImageCursor cursor = test.images.set().cursor()) {
      for (ImageItem item = cursor.next(); item != null; item = cursor.next()) {
        if (!item.id().equals(id)) continue;
        return ImageDecoder.decode(item.bytes(), id, test.images.options().decoding());
      }
    } catch (InputException e) {
      return null;
    }
    return null;
  }

  private LabelMap map(int[] answers, int image, int patches) {
    int columns = test.images.preprocessing().width() / model.vision().config().patch();
    byte[] labels = new byte[patches];
    for (int p = 0; p < patches; p++) labels[p] = (byte) answers[image * patches + p];
    return new LabelMap(columns, patches / columns, labels);
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
