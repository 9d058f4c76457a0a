// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.cue;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.folder.WorkFolder;
import io.clipsteer.data.image.ImageDecoder;
import io.clipsteer.data.image.RgbImage;
import io.clipsteer.data.imageset.ImageCursor;
import io.clipsteer.data.imageset.ImageItem;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.imageset.ImageSet;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.checkpoint.ClipModel;
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
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.SplittableRandom;
import java.util.TreeSet;

/**
 * A causal study: a cue is planted into images so that it goes with their label, a linear probe
 * learns the label from embeddings and with it the cue, and suppression has to take the reliance on
 * the cue away and leave the label. The label is which half of the classes an image's class belongs
 * to; halves are drawn by seed.
 *
 * @param images of two classes or more
 * @param correlation probability that the cue agrees with the label where the probe learns
 * @param options how images are loaded; its limit counts labelled images
 */
public record InjectedCue(
    ClipModel model,
    RunSaes saes,
    ImageSet images,
    double correlation,
    ImageLoader.Options options,
    SuppressionSettings settings) {
  /** Shares of images to learn the probe, to rank on, to choose on and to report on. */
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

  /** A part as written: groups of its images in the order of their names. */
  private record Part(Path folder, int[] group) {}

  /**
   * One study.
   *
   * @param folder for the images, absent or empty
   * @param seed of halves, parts, places and who gets the cue where it only goes with the label
   * @param baselines whether the baselines are asked too
   * @return what suppression did; {@link CueResult#of} says what that means for the cue
   */
  public SuppressionReport run(
      Cue cue, Path folder, long seed, boolean baselines, Progress progress) {
    List<Labelled> all = labelled(seed);
    List<ImageLoader.Skipped> skipped = new ArrayList<>();
    List<Part> parts =
        WorkFolder.write(folder, at -> write(at, folder, all, cue, seed, skipped, progress));
    TextLibrary probe = probe(parts.getFirst(), progress);
    Groups groups =
        new Groups(
            List.of("no, no cue", "no, cue", "yes, no cue", "yes, cue"),
            new int[] {0, 0, 1, 1},
            new boolean[] {false, true, false, true});
    List<List<LabelledImages>> cases = new ArrayList<>();
    for (Part part : parts.subList(1, PARTS.size())) {
      int[] truth = java.util.Arrays.stream(part.group).map(g -> g / 2).toArray();
      cases.add(List.of(new LabelledImages(imagesOf(part), probe, truth, part.group)));
    }
    String source = images.origin() + " with a cue";
    Study study = new Study(groups, cases.get(0), cases.get(1), cases.get(2), true, source);
    return new SuppressionRun(model, saes, study, settings)
        .run(baselines, progress)
        .withSkipped(skipped);
  }

  // ---- the images ----------------------------------------------------------------------------

  private List<Labelled> labelled(long seed) {
    List<ImageItem> items = new ArrayList<>();
    try (ImageCursor cursor = images.cursor()) {
      for (ImageItem item = cursor.next();
          item != null && items.size() < options.limit();
          item = cursor.next()) {
        if (item.label() != null) items.add(item);
      }
    }
    TreeSet<String> names = new TreeSet<>();
    for (ImageItem item : items) names.add(String.valueOf(item.label()));
    if (names.size() < 2 || items.size() < FEWEST) {
      throw new InputException(
          images.origin(),
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

  private List<Part> write(
      Path at,
      Path folder,
      List<Labelled> all,
      Cue cue,
      long seed,
      List<ImageLoader.Skipped> skipped,
      Progress progress)
      throws IOException {
    List<Part> parts = new ArrayList<>();
    try (var task = progress.start("planting the cue", all.size(), "images")) {
      double share = 0;
      for (int p = 0; p < PARTS.size(); p++) {
        int from = (int) Math.round(share * all.size());
        share += SHARES[p];
        int to = (int) Math.round(share * all.size());
        Path own = Files.createDirectories(at.resolve(PARTS.get(p)));
        List<Integer> groups = new ArrayList<>();
        for (int i = from; i < to; i++) {
          SplittableRandom random = new SplittableRandom(seed * 1_000_003 + i);
          String reason = one(all.get(i), p == 0, cue, random, own, groups);
          if (!reason.isEmpty()) {
            skipped.add(new ImageLoader.Skipped(all.get(i).item.id(), reason, i));
          }
          task.advance(1, 0);
        }
        int[] group = groups.stream().mapToInt(g -> g).toArray();
        parts.add(new Part(folder.resolve(PARTS.get(p)), group));
      }
    }
    return parts;
  }

  /**
   * Where the probe learns, with or without the cue; elsewhere both.
   *
   * @return why the image was skipped, else empty
   */
  private String one(
      Labelled image,
      boolean learns,
      Cue cue,
      SplittableRandom random,
      Path folder,
      List<Integer> groups)
      throws IOException {
    RgbImage plain;
    try {
      plain = ImageDecoder.decode(image.item.bytes(), image.item.id());
    } catch (InputException e) {
      return e.getMessage() + "";
    }
    boolean agrees = random.nextDouble() < correlation;
    RgbImage with = cue.on(plain, random);
    int label = image.positive ? 2 : 0;
    for (int cued = 0; cued < 2; cued++) {
      if (learns && (cued == 1) != (agrees == image.positive)) continue;
      String name = String.format(Locale.ROOT, "%07d.png", groups.size());
      (cued == 1 ? with : plain).writePng(folder.resolve(name));
      groups.add(label + cued);
    }
    return "";
  }

  private Images imagesOf(Part part) {
    return new Images(ImageSet.folder(part.folder), model.preprocessing(), options);
  }

  // ---- the probe -------------------------------------------------------------------------------

  /** As two words to choose from, so that the probe's answers are the zero-shot classifier's. */
  private TextLibrary probe(Part part, Progress progress) {
    int width = model.vision().config().embedDim();
    float[] rows = new float[part.group.length * width];
    try (var task = progress.start("learning the probe", part.group.length, "images")) {
      imagesOf(part)
          .forEach(
              (batch, pixels) -> {
                float[] own =
                    model
                        .vision()
                        .run(pixels, Hooks.NONE)
                        .embedding()
                        .unit()
                        .to(Device.CPU)
                        .toFloats();
                for (int i = 0; i < batch.count(); i++) {
                  int at = Math.toIntExact(batch.positions().get(i)) * width;
                  System.arraycopy(own, i * width, rows, at, width);
                }
                task.advance(batch.count(), model.vision().flopsPerImage() * batch.count());
              });
    }
    boolean[] positive = new boolean[part.group.length];
    for (int i = 0; i < positive.length; i++) positive[i] = part.group[i] >= 2;
    double[] w = LinearProbe.fit(rows, positive, width);
    double norm = Math.sqrt(java.util.Arrays.stream(w).map(x -> x * x).sum());
    if (!(norm > 0)) {
      throw new InputException(
          images.origin(), "a linear probe finds nothing to learn", "Give other images");
    }
    float[] two = new float[2 * width];
    for (int j = 0; j < width; j++) {
      two[j] = (float) (-w[j] / norm);
      two[width + j] = (float) (w[j] / norm);
    }
    return new TextLibrary(List.of("not the " + LABEL, "the " + LABEL), two, width);
  }
}
