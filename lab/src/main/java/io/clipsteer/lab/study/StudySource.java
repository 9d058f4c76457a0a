// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.study;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.imageset.GroupSource;
import io.clipsteer.data.imageset.GroupedSet;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.imageset.ImageSet;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.AnswerHead;
import io.clipsteer.lab.run.Images;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * The images of a {@link Study}.
 *
 * @param data the images; results are reported on their test split
 * @param train images that features are ranked on, or null for the data's own split
 * @param validation images that edits are selected on, or null for the data's own split
 * @param clean labelled images on which loss of accuracy is bounded, or null. For written attacks
 *     they are the images without writing
 * @param attribute which attribute is suppressed, where there are more than two
 * @param perGroup most training and validation images of each group
 * @param balanced whether each split's groups are cut to the size of the smallest
 */
public record StudySource(
    GroupSource data,
    @Nullable GroupSource train,
    @Nullable GroupSource validation,
    @Nullable ImageSet clean,
    @Nullable String attribute,
    int perGroup,
    boolean balanced,
    long seed) {
  /** Groups of images without and with a word on them. */
  static final Groups WRITTEN =
      new Groups(
          List.of("nothing written", "a word written"), new int[2], new boolean[] {false, true}, 0);

  private static final int MAX_GROUPS = 64;

  public StudySource {
    if (perGroup < 1) {
      throw new InputException("--per-group " + perGroup, "below 1", "Omit it for 1000");
    }
    if (data.kind().isWritten() && clean == null) {
      data.all(); // Names the fault of a folder of another kind.
      throw new InputException(
          "--data " + data.kind().word(),
          "all its images have writing",
          "Give images without in class folders, --clean SRC");
    }
    if (data.kind().isWritten() && balanced) {
      throw new InputException(
          "--balanced", "does not apply to written words", "They have only two groups; omit it");
    }
    boolean alone = train == null && validation == null;
    if (!alone && (train == null || validation == null)) {
      throw new InputException(
          train == null ? "--validation" : "--train",
          "is given alone",
          "Give --train and --validation, or neither");
    }
    for (GroupSource other : alone ? List.<GroupSource>of() : List.of(train, validation)) {
      if (other.kind().isWritten() != data.kind().isWritten()) {
        throw new InputException(
            other.kind().word() + ":" + other.path(), "is another kind of set", "Use one kind");
      }
    }
  }

  private GroupSource.Parts parts() {
    if (train == null || validation == null) return data.parts(seed);
    return new GroupSource.Parts(train.all(), validation.all(), data.all(), false);
  }

  /**
   * Reads the tables and embeds the targets' prompts; no image is decoded.
   *
   * @param options how images are loaded
   */
  public Study read(
      ClipModel model, TargetPrompts prompts, ImageLoader.Options options, Progress progress) {
    GroupSource.Parts parts = parts();
    return data.kind().isWritten()
        ? written(parts, model, prompts, options, progress)
        : grouped(parts, model, prompts, options, progress);
  }

  private GroupedSet whole(GroupedSet set) {
    return balanced ? set.balanced(seed) : set;
  }

  private GroupedSet limited(GroupedSet set) {
    return whole(set).atMost(perGroup, seed);
  }

  // ---- target × attribute ----------------------------------------------------------------------

  private Study grouped(
      GroupSource.Parts dealt,
      ClipModel model,
      TargetPrompts prompts,
      ImageLoader.Options options,
      Progress progress) {
    List<GroupedSet> sets =
        List.of(limited(dealt.train()), limited(dealt.validation()), whole(dealt.test()));
    GroupedSet test = sets.get(2);
    for (GroupedSet set : sets) {
      if (!set.targets().equals(test.targets()) || !set.attributes().equals(test.attributes())) {
        throw new InputException(
            set.images().origin(),
            "its targets and attributes are " + set.targets() + ", " + set.attributes(),
            "They must be the test set's: " + test.targets() + ", " + test.attributes());
      }
    }
    if (test.targets().size() < 2) {
      throw new InputException(
          test.images().origin(), "it has one target", "Give images of two targets or more");
    }
    Groups groups = groups(test, suppressed(test.attributes()));
    boolean portraits = TargetPrompts.portraits(data.kind());
    AnswerHead head = prompts.head(model, test.targets(), portraits, progress);
    List<List<LabelledImages>> parts = new ArrayList<>();
    for (GroupedSet set : sets) {
      int[] group = set.members().stream().mapToInt(set::group).toArray();
      List<LabelledImages> part = new ArrayList<>();
      part.add(labelled(set, head, group, model, options));
      parts.add(part);
    }
    if (clean != null) addClean(clean, parts, model, prompts, options, progress);
    return new Study(groups, parts.get(0), parts.get(1), parts.get(2), dealt.dealt(), source());
  }

  private String source() {
    return data.kind().word() + ":" + data.path();
  }

  /** Adds half of the clean set to validation and half to test. */
  private void addClean(
      ImageSet clean,
      List<List<LabelledImages>> parts,
      ClipModel model,
      TargetPrompts prompts,
      ImageLoader.Options options,
      Progress progress) {
    GroupedSet all = GroupedSet.labelled(clean, "clean");
    if (all.targets().size() < 2) {
      throw new InputException(
          clean.origin(),
          "all its images are of one class, " + all.targets().getFirst(),
          "Give --clean images of several classes");
    }
    AnswerHead words = prompts.head(model, all.targets(), false, progress);
    List<GroupedSet> halves = all.dealt(seed, 1, 1);
    for (int half = 0; half < 2; half++) {
      GroupedSet set = halves.get(half);
      int[] group = new int[set.members().size()];
      Arrays.fill(group, Groups.CLEAN);
      if (group.length > 0) parts.get(1 + half).add(labelled(set, words, group, model, options));
    }
  }

  private int suppressed(List<String> attributes) {
    if (attribute != null) {
      int index = attributes.indexOf(attribute);
      if (index >= 0) return index;
      throw new InputException(
          "--attribute " + attribute, "is not there", "Use one of " + attributes);
    }
    if (attributes.size() == 2) return 1;
    throw new InputException(
        data.path(),
        "it has " + attributes.size() + " attributes",
        "Name the one to suppress: --attribute, one of " + attributes);
  }

  private static Groups groups(GroupedSet set, int suppressed) {
    int count = set.targets().size() * set.attributes().size();
    if (count > MAX_GROUPS) {
      throw new InputException(
          set.images().origin(),
          "it has " + count + " groups of target and attribute",
          "At most " + MAX_GROUPS + " are supported; name classes, not single images");
    }
    List<String> names = new ArrayList<>();
    int[] strata = new int[count];
    boolean[] with = new boolean[count];
    for (int g = 0; g < count; g++) {
      int target = g / set.attributes().size();
      int own = g % set.attributes().size();
      names.add(set.targets().get(target) + ", " + set.attributes().get(own));
      strata[g] = target;
      with[g] = own == suppressed;
    }
    return new Groups(names, strata, with);
  }

  // ---- words written on objects -----------------------------------------------------------------

  /** Group 0 has nothing written, group 1 a word; the targets are all classes and written words. */
  private Study written(
      GroupSource.Parts dealt,
      ClipModel model,
      TargetPrompts prompts,
      ImageLoader.Options options,
      Progress progress) {
    List<GroupedSet> sets =
        List.of(
            dealt.train().some(perGroup, seed),
            dealt.validation().some(perGroup, seed),
            dealt.test());
    GroupedSet plain = GroupedSet.labelled(Objects.requireNonNull(clean), "nothing");
    List<GroupedSet> plains = plain.dealt(seed, 1, 1, 2);
    TreeSet<String> words = new TreeSet<>(plain.targets());
    for (GroupedSet set : sets) words.addAll(set.targets());
    List<String> answers = List.copyOf(words);
    if (answers.size() < 2) {
      throw new InputException(
          data.path(), "there is only one word", "Give images with other words");
    }
    AnswerHead head = prompts.head(model, answers, false, progress);
    List<List<LabelledImages>> parts = new ArrayList<>();
    for (int p = 0; p < sets.size(); p++) {
      List<LabelledImages> part = new ArrayList<>();
      GroupedSet without = p < 2 ? plains.get(p).some(perGroup, seed) : plains.get(p);
      for (GroupedSet set : List.of(without, sets.get(p))) {
        int[] group = new int[set.members().size()];
        Arrays.fill(group, set == without ? 0 : 1);
        if (group.length > 0) part.add(labelled(set, head, group, model, options));
      }
      parts.add(part);
    }
    return new Study(WRITTEN, parts.get(0), parts.get(1), parts.get(2), dealt.dealt(), source());
  }

  static LabelledImages labelled(
      GroupedSet set, AnswerHead head, int[] group, ClipModel model, ImageLoader.Options options) {
    int[] truth =
        set.members().stream()
            .mapToInt(m -> head.words().indexOf(set.targets().get(m.target())))
            .toArray();
    Images images = new Images(set.images(), model.preprocessing(), options);
    return new LabelledImages(images, head, truth, group);
  }
}
