// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.study;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.Reasons;
import io.clipsteer.data.folder.Folders;
import io.clipsteer.data.imageset.GroupSource;
import io.clipsteer.data.imageset.GroupedSet;
import io.clipsteer.data.imageset.ImageCursor;
import io.clipsteer.data.imageset.ImageItem;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.imageset.ImageSet;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.AnswerHead;
import io.clipsteer.lab.attack.Attack;
import io.clipsteer.lab.attack.Writing;
import io.clipsteer.lab.block.WorkPlan;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;
import java.util.stream.Stream;

/**
 * The data of {@code defend}: images without writing are dealt to training, validation and test,
 * and words are written on them. Test images get other fonts, positions and words than the images
 * that the edit is found on.
 *
 * @param images labelled images without writing
 * @param folder of the attacked images: {@code train}, {@code validation}, {@code test}
 * @param words that may be written; empty for the classes
 * @param letters their height
 * @param seed of the deal and of {@link Random}, whose shuffle published figures depend on
 */
public record AttackedSplits(
    ImageSet images, Path folder, List<String> words, Writing.Letters letters, long seed) {
  /** Images that are written for a plan. */
  private static final int SOME = 32;

  private static final List<String> PARTS = List.of("train", "validation", "test");

  /**
   * Writes the attacked images.
   *
   * @param perGroup most training and validation images
   * @param skipped takes the images that could not be read, each with its reason
   * @return the study's source
   * @throws InputException when there are too few images, classes or words
   */
  public StudySource write(int perGroup, Consumer<List<String>> skipped, Progress progress) {
    GroupedSet all = GroupedSet.labelled(images, "nothing");
    List<List<String>> written = halves(all);
    // Dealt as StudySource deals the images without writing, so that an image stays in its part.
    List<GroupedSet> dealt = dealt(all);
    for (int part = 0; part < PARTS.size(); part++) {
      boolean test = part == 2;
      var attack =
          new Attack(
              dealt.get(part).images(),
              written.get(test ? 1 : 0),
              test ? Writing.FontKind.HELD_OUT : Writing.FontKind.TRAIN,
              letters,
              Long.MAX_VALUE,
              seed + part);
      skipped.accept(attack.write(folder.resolve(PARTS.get(part)), progress).skipped());
    }
    return written(perGroup);
  }

  /** Words for the images that the edit is found on, and for the test. */
  private List<List<String>> halves(GroupedSet all) {
    List<String> choice = new ArrayList<>(words.isEmpty() ? all.targets() : words);
    if (choice.size() < 4) {
      throw new InputException(
          images.origin(),
          "there are " + choice.size() + " words to write",
          "Give images of at least four classes, or --words: the test set has other words");
    }
    Collections.shuffle(choice, new Random(seed));
    int half = choice.size() / 2;
    return List.of(choice.subList(0, half), choice.subList(half, choice.size()));
  }

  private List<GroupedSet> dealt(GroupedSet all) {
    List<GroupedSet> dealt = all.dealt(seed, 1, 1, 2);
    if (dealt.stream().allMatch(part -> !part.members().isEmpty())) return dealt;
    throw new InputException(images.origin(), "it has too few images", "Give some hundred or more");
  }

  /**
   * A study of as many images, none of them attacked: its cost is that of the one to come.
   *
   * @param perGroup most training and validation images
   */
  public Study planned(
      ClipModel model, TargetPrompts prompts, ImageLoader.Options options, int perGroup) {
    GroupedSet all = GroupedSet.labelled(images, "nothing");
    halves(all);
    AnswerHead head = prompts.head(model, all.targets(), false, Progress.SILENT);
    List<List<LabelledImages>> parts = new ArrayList<>();
    for (GroupedSet set : dealt(all)) {
      GroupedSet part = parts.size() < 2 ? set.some(perGroup, seed) : set;
      int[] group = new int[part.members().size()];
      LabelledImages one = StudySource.labelled(part, head, group, model, options);
      parts.add(List.of(one, one));
    }
    return new Study(
        StudySource.WRITTEN,
        parts.get(0),
        parts.get(1),
        parts.get(2),
        true,
        images.origin().toString());
  }

  /** What writing the attacked images costs, by some that are written and deleted. */
  public WorkPlan.PlannedStage cost() {
    GroupedSet all = GroupedSet.labelled(images, "nothing");
    List<String> choice = halves(all).getFirst();
    double count = all.members().size();
    Path some;
    try {
      some = Files.createTempDirectory("clipsteer-plan-");
    } catch (IOException e) {
      throw new InputException(
          "the plan", "no temporary folder: " + Reasons.of(e), "Free disk space", e);
    }
    try {
      attack(choice).write(some.resolve("first"), Progress.SILENT); // Fonts are loaded.
      long start = System.nanoTime();
      int written = attack(choice).write(some.resolve("second"), Progress.SILENT).images();
      double seconds = (System.nanoTime() - start) * 1e-9;
      double times = count / written;
      return new WorkPlan.PlannedStage(
          "writing words on images",
          false,
          1,
          times * readBytes(),
          times * bytes(some.resolve("second")),
          0,
          times * seconds,
          0);
    } finally {
      Folders.delete(some);
    }
  }

  private Attack attack(List<String> choice) {
    return new Attack(images, choice, Writing.FontKind.TRAIN, letters, SOME, seed);
  }

  private double readBytes() {
    double bytes = 0;
    try (ImageCursor cursor = images.spread(SOME).cursor()) {
      for (ImageItem item = cursor.next(); item != null; item = cursor.next()) {
        bytes += item.bytes().length;
      }
    }
    return bytes;
  }

  private static double bytes(Path folder) {
    try (Stream<Path> files = Files.list(folder)) {
      double bytes = 0;
      for (Path file : files.toList()) bytes += Files.size(file);
      return bytes;
    } catch (IOException e) {
      throw new InputException(folder, "cannot be read: " + Reasons.of(e), "Check its rights", e);
    }
  }

  /**
   * The study's source where the attacked images are written already.
   *
   * @param perGroup most training and validation images
   */
  public StudySource written(int perGroup) {
    return new StudySource(
        source("test"), source("train"), source("validation"), images, null, perGroup, false, seed);
  }

  private GroupSource source(String part) {
    return GroupSource.parse("--out", "typographic:" + folder.resolve(part));
  }
}
