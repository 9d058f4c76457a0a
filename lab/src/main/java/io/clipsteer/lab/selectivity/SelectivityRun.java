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
import io.clipsteer.lab.block.BlockCluster;
import io.clipsteer.lab.block.BlockWork;
import io.clipsteer.lab.probe.Probe;
import io.clipsteer.lab.probe.ProbeData;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.RunSaes;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
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
  private static final String STAGE = "editing features";

  private static final int FEWEST = 5;

  /** Labelled images. */
  public record LabelledSet(ProbeData data, Images images) {}

  /**
   * Does the study, or the rest of a stopped one.
   *
   * @param cluster that studies the classes, of processes which see the folder; null for this
   *     process
   */
  public SelectivityReport run(
      Path folder, BlockCluster.@Nullable ClusterSession cluster, Progress progress) {
    long start = System.nanoTime();
    try (StudyImages images = StudyImages.of(this, progress)) {
      Map<String, String> without = new LinkedHashMap<>();
      int[] classes = classes(images, without);
      List<Integer> missing =
          IntStream.of(classes).filter(c -> !isSaved(folder, c)).boxed().toList();
      if (cluster != null) {
        cluster.compute(STAGE, missing, missing.size(), "classes", progress);
      } else if (!missing.isEmpty()) {
        try (StudyClasses here = StudyClasses.of(this, images, folder);
            var task = progress.start(STAGE, missing.size(), "classes")) {
          for (int c : missing) task.advance(here.compute(STAGE, c), 0);
        }
      }
      List<ClassEffect> effects = new ArrayList<>();
      for (int c : classes) effects.addAll(saved(file(folder, c)));
      List<ImageLoader.Skipped> skipped = new ArrayList<>(images.training().skipped());
      skipped.addAll(images.tested().skipped());
      return new SelectivityReport(
          model.source().path().toAbsolutePath().normalize().toString(),
          test.images.set().origin().toString(),
          one.point().peerName(),
          probe.reads().task(),
          probe.reads().layer(),
          isLocal(),
          settings.select(),
          images.tested().images(),
          images.training().images(),
          adjusted(effects),
          without,
          skipped,
          (System.nanoTime() - start) * 1e-9);
    }
  }

  /** What a process of a cluster does: it reads the images, and studies classes by number. */
  public BlockWork shared(Path folder) {
    return BlockWork.of(
        StudyImages.of(this, Progress.SILENT),
        StudyImages::close,
        images -> StudyClasses.of(this, images, folder));
  }

  private static Path file(Path folder, int label) {
    return folder.resolve("classes").resolve(label + ".json");
  }

  /** Writes the effects on a class, whole or not at all. */
  static void write(Path folder, int label, List<ClassEffect> effects) {
    AtomicFiles.writeText(file(folder, label), JsonFile.line(new Saved(effects)));
  }

  /** Whether a class was studied before the stop. */
  private boolean isSaved(Path folder, int label) {
    Path file = file(folder, label);
    return Files.exists(file) && !saved(file).isEmpty();
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

  /** Whether the head reads patches of the edited layer. */
  boolean isLocal() {
    return whole == null && probe.reads().layer() == one.point().layer();
  }

  /** Classes with enough items in both splits. */
  private int[] classes(StudyImages images, Map<String, String> without) {
    int[] labels = images.known();
    List<Integer> some = new ArrayList<>();
    for (int c = 0; c < probe.classes().size(); c++) {
      int label = c;
      String name = probe.classes().get(c);
      if (!settings.only().isEmpty() && !settings.only().contains(name)) continue;
      long known = Arrays.stream(labels).filter(l -> l == label).count();
      long answered = Arrays.stream(images.answers().before()).filter(a -> a == label).count();
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
