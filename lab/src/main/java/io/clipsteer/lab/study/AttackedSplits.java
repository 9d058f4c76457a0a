// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.study;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.imageset.GroupSource;
import io.clipsteer.data.imageset.GroupedSet;
import io.clipsteer.data.imageset.ImageSet;
import io.clipsteer.lab.attack.Attack;
import io.clipsteer.lab.attack.Writing;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;

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
    List<String> choice = new ArrayList<>(words.isEmpty() ? all.targets() : words);
    if (choice.size() < 4) {
      throw new InputException(
          images.origin(),
          "there are " + choice.size() + " words to write",
          "Give images of at least four classes, or --words: the test set has other words");
    }
    Collections.shuffle(choice, new Random(seed));
    int half = choice.size() / 2;
    List<List<String>> written =
        List.of(choice.subList(0, half), choice.subList(half, choice.size()));
    // Dealt as StudySource deals the images without writing, so that an image stays in its part.
    List<GroupedSet> dealt = all.dealt(seed, 1, 1, 2);
    for (int part = 0; part < PARTS.size(); part++) {
      boolean test = part == 2;
      if (dealt.get(part).members().isEmpty()) {
        throw new InputException(
            images.origin(), "it has too few images", "Give some hundred or more");
      }
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
