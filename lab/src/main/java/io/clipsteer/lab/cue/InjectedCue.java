// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.cue;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.folder.Folders;
import io.clipsteer.data.folder.WorkFolder;
import io.clipsteer.data.image.ImageDecoder;
import io.clipsteer.data.image.RgbImage;
import io.clipsteer.data.imageset.ImageCursor;
import io.clipsteer.data.imageset.ImageItem;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.imageset.ImageSet;
import io.clipsteer.data.json.JsonFile;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.AnswerHead;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.RunSaes;
import io.clipsteer.lab.study.Groups;
import io.clipsteer.lab.study.LabelledImages;
import io.clipsteer.lab.study.Study;
import io.clipsteer.lab.suppress.SuppressionReport;
import io.clipsteer.lab.suppress.SuppressionRun;
import io.clipsteer.lab.suppress.SuppressionSettings;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.SplittableRandom;
import java.util.TreeSet;
import java.util.function.Consumer;

/**
 * A causal study. A cue is planted into images so that it correlates with their label; a linear
 * probe learns the label from embeddings, and with it the cue; suppression must remove the reliance
 * on the cue and keep the label. The label is the half of the classes that an image's class belongs
 * to; the seed chooses the halves. Classes and images are shuffled by {@link Random}, since
 * published figures depend on it.
 *
 * @param images of two classes or more; their limit counts labelled images
 * @param correlation probability that the cue agrees with the label where the probe learns
 */
public record InjectedCue(
    ClipModel model,
    RunSaes saes,
    Images images,
    double correlation,
    SuppressionSettings settings) {
  /** Shares of images to train the probe, rank features, select an edit and test it. */
  private static final double[] SHARES = {0.4, 0.15, 0.15, 0.3};

  private static final List<String> PARTS = List.of("probe", "train", "validation", "test");
  private static final int FEWEST = 80;
  private static final String LABEL = "label";

  public InjectedCue {
    if (!(correlation >= 0.5 && correlation <= 1)) {
      throw new InputException("--correlation " + correlation, "not 0.5 to 1", "Try 0.95");
    }
  }

  /** An image with its label. */
  private record Labelled(ImageItem item, boolean positive) {}

  /**
   * Runs studies of several cue sizes, each repeated with other labels. A finished study is saved,
   * and read when the studies are resumed.
   *
   * @param folder of the results: {@code studies}, {@code suppressions} and {@code images}
   * @param skipped takes each study's images that could not be read
   * @return all results, repeat by repeat
   * @throws InputException when a saved result is damaged or belongs to another study
   */
  public List<CueResult> run(
      List<Cue> cues,
      int repeats,
      Path folder,
      Consumer<List<ImageLoader.Skipped>> skipped,
      Progress progress) {
    List<CueResult> results = new ArrayList<>();
    for (int repeat = 0; repeat < repeats; repeat++) {
      for (Cue cue : cues) {
        long seed = settings.seed() * 1000 + repeat;
        String name = String.format(Locale.ROOT, "%s-%d", cue.size(), repeat);
        Path file = folder.resolve("studies").resolve(name + ".json");
        if (Files.exists(file)) {
          results.add(saved(file, cue, seed));
          continue;
        }
        Path images = folder.resolve("images").resolve(name);
        Folders.delete(images); // Of a study that was stopped.
        SuppressionReport report = run(cue, images, seed, progress);
        skipped.accept(report.skipped());
        CueResult result = CueResult.of(cue, seed, report);
        Path whole = folder.resolve("suppressions").resolve(name + ".json");
        AtomicFiles.writeJson(whole, report.json());
        AtomicFiles.writeJson(file, result);
        results.add(result);
      }
    }
    return results;
  }

  private static CueResult saved(Path file, Cue cue, long seed) {
    String remedy = "Delete it, and its study is repeated";
    CueResult saved = JsonFile.read(file, CueResult.class, remedy);
    if (saved.isOf(cue, seed)) return saved;
    throw new InputException(file, "is not the result of this study", remedy);
  }

  /**
   * Runs one study.
   *
   * @param folder for the images, absent or empty
   * @param seed of halves, parts, positions, and of which images get the cue in the probe's part
   */
  private SuppressionReport run(Cue cue, Path folder, long seed, Progress progress) {
    List<Labelled> all = labelled(seed);
    List<ImageLoader.Skipped> skipped = new ArrayList<>();
    List<int[]> written =
        WorkFolder.write(folder, at -> write(at, all, cue, seed, skipped, progress));
    AnswerHead head = probe(imagesOf(folder, 0), written.getFirst(), progress);
    Groups groups =
        new Groups(
            List.of("no, no cue", "no, cue", "yes, no cue", "yes, cue"),
            new int[] {0, 0, 1, 1},
            new boolean[] {false, true, false, true});
    List<List<LabelledImages>> splits = new ArrayList<>();
    for (int p = 1; p < PARTS.size(); p++) {
      int[] group = written.get(p);
      int[] truth = Arrays.stream(group).map(g -> g / 2).toArray();
      splits.add(List.of(new LabelledImages(imagesOf(folder, p), head, truth, group)));
    }
    String source = images.set().origin() + " with a cue";
    Study study = new Study(groups, splits.get(0), splits.get(1), splits.get(2), true, source);
    return new SuppressionRun(model, saes, study, settings)
        .run(true, progress)
        .withSkipped(skipped);
  }

  // ---- the images ----------------------------------------------------------------------------

  private List<Labelled> labelled(long seed) {
    List<ImageItem> items = new ArrayList<>();
    try (ImageCursor cursor = images.set().cursor()) {
      for (ImageItem item = cursor.next();
          item != null && items.size() < images.options().limit();
          item = cursor.next()) {
        if (item.label() != null) items.add(item);
      }
    }
    TreeSet<String> names = new TreeSet<>();
    for (ImageItem item : items) names.add(String.valueOf(item.label()));
    if (names.size() < 2 || items.size() < FEWEST) {
      throw new InputException(
          images.set().origin(),
          items.size() + " labelled images of " + names.size() + " classes",
          "Give class folders with " + FEWEST + " images of two classes or more");
    }
    Random random = new Random(seed);
    List<String> classes = new ArrayList<>(names);
    Collections.shuffle(classes, random);
    List<String> half = classes.subList(0, classes.size() / 2);
    Collections.shuffle(items, random);
    return items.stream()
        .map(item -> new Labelled(item, half.contains(String.valueOf(item.label()))))
        .toList();
  }

  /** Writes the parts and returns the groups of their images, in the order of their names. */
  private List<int[]> write(
      Path folder,
      List<Labelled> all,
      Cue cue,
      long seed,
      List<ImageLoader.Skipped> skipped,
      Progress progress)
      throws IOException {
    List<int[]> parts = new ArrayList<>();
    try (var task = progress.start("planting the cue", all.size(), "images")) {
      double share = 0;
      for (int p = 0; p < PARTS.size(); p++) {
        int from = (int) Math.round(share * all.size());
        share += SHARES[p];
        int to = (int) Math.round(share * all.size());
        Path own = Files.createDirectories(folder.resolve(PARTS.get(p)));
        List<Integer> groups = new ArrayList<>();
        for (int i = from; i < to; i++) {
          SplittableRandom random = new SplittableRandom(seed * 1_000_003 + i);
          String reason = one(all.get(i), p == 0, cue, random, own, groups);
          if (!reason.isEmpty()) {
            skipped.add(new ImageLoader.Skipped(all.get(i).item.id(), reason, i));
          }
          task.advance(1, 0);
        }
        parts.add(groups.stream().mapToInt(g -> g).toArray());
      }
    }
    return parts;
  }

  /**
   * Writes an image with or without the cue into the probe's part, both into the others.
   *
   * @return why the image was skipped, else empty
   */
  private String one(
      Labelled image,
      boolean probe,
      Cue cue,
      SplittableRandom random,
      Path folder,
      List<Integer> groups)
      throws IOException {
    RgbImage plain;
    try {
      plain = ImageDecoder.decode(image.item.bytes(), image.item.id(), images.options().decoding());
    } catch (InputException e) {
      return String.valueOf(e.getMessage());
    }
    boolean agrees = random.nextDouble() < correlation;
    RgbImage with = cue.on(plain, random);
    int label = image.positive ? 2 : 0;
    for (int cued = 0; cued < 2; cued++) {
      if (probe && (cued == 1) != (agrees == image.positive)) continue;
      String name = String.format(Locale.ROOT, "%07d.png", groups.size());
      (cued == 1 ? with : plain).writePng(folder.resolve(name));
      groups.add(label + cued);
    }
    return "";
  }

  private Images imagesOf(Path folder, int part) {
    ImageSet set = ImageSet.folder(folder.resolve(PARTS.get(part)));
    return new Images(set, images.preprocessing(), images.options());
  }

  // ---- the probe -------------------------------------------------------------------------------

  /** The probe as a vocabulary of two, so that the zero-shot classifier gives its answers. */
  private AnswerHead probe(Images training, int[] group, Progress progress) {
    int width = model.vision().config().embedDim();
    float[] rows = new float[group.length * width];
    training.forEach(
        "training the probe",
        model.vision().flopsPerImage(),
        progress,
        (batch, pixels) -> {
          Tensor embeddings = model.vision().run(pixels, Hooks.NONE).embedding().unit();
          float[] own = embeddings.to(Device.CPU).toFloats();
          for (int i = 0; i < batch.count(); i++) {
            int at = Math.toIntExact(batch.positions().get(i)) * width;
            System.arraycopy(own, i * width, rows, at, width);
          }
        });
    boolean[] positive = new boolean[group.length];
    for (int i = 0; i < positive.length; i++) positive[i] = group[i] >= 2;
    double[] w = LinearProbe.fit(rows, positive, width);
    double norm = Math.sqrt(Arrays.stream(w).map(x -> x * x).sum());
    if (!(norm > 0)) {
      throw new InputException(
          images.set().origin(), "a linear probe finds no signal", "Give other images");
    }
    float[] two = new float[2 * width];
    for (int j = 0; j < width; j++) {
      two[j] = (float) (-w[j] / norm);
      two[width + j] = (float) (w[j] / norm);
    }
    var library = new TextLibrary(List.of("not the " + LABEL, "the " + LABEL), two, width);
    return AnswerHead.zeroShot(library, model.logitScale());
  }
}
