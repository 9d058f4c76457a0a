// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.imageset;

import io.clipsteer.data.InputException;
import io.clipsteer.data.InputPaths;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/**
 * A grouped set as the command line names it: {@code celeba:DIR}.
 *
 * @param kind its layout
 * @param path folder or table
 */
public record GroupSource(Layout kind, Path path) {
  /** Layouts that can be read. */
  public enum Layout {
    /** {@link CelebaLayout}: man or woman, blond or not. */
    CELEBA,
    /** {@link GroupLayouts#waterbirds}. */
    WATERBIRDS,
    /** {@link GroupLayouts#typographic}. */
    TYPOGRAPHIC,
    /** {@link GroupLayouts#disentangling}. */
    DISENTANGLING,
    /** {@link GroupLayouts#table}. */
    CSV;

    /** As the command line says it. */
    public String word() {
      return name().toLowerCase(Locale.ROOT);
    }

    /** Whether its attribute is a word written on the image. */
    public boolean isWritten() {
      return this == TYPOGRAPHIC || this == DISENTANGLING;
    }
  }

  /** Of images without splits of their own: a quarter, a quarter, and half to report on. */
  private static final double[] SHARES = {1, 1, 2};

  /**
   * A set's parts, without overlap.
   *
   * @param train to choose features on
   * @param validation to choose their number on
   * @param test to report on
   * @param dealt whether the files name no splits, so that chance dealt the images out
   */
  public record Parts(GroupedSet train, GroupedSet validation, GroupedSet test, boolean dealt) {}

  /**
   * Reads {@code celeba:DIR} and its like.
   *
   * @param option what it was given to, for the message
   */
  public static GroupSource parse(String option, String text) {
    int colon = text.indexOf(':');
    String word = colon < 0 ? text : text.substring(0, colon).strip().toLowerCase(Locale.ROOT);
    for (Layout kind : Layout.values()) {
      if (colon < 0 || colon == text.length() - 1 || !kind.word().equals(word)) continue;
      return new GroupSource(kind, InputPaths.of(text.substring(colon + 1)));
    }
    String kinds =
        Arrays.stream(Layout.values()).map(Layout::word).collect(Collectors.joining(", "));
    throw new InputException(
        option + " " + text, "names no layout", "Write LAYOUT:PATH with one of " + kinds);
  }

  /** All images, whatever their split. */
  public GroupedSet all() {
    return read(GroupedSet.GroupSplit.ALL);
  }

  /** What listing a folder of files that name their group skips; nothing of what a list names. */
  public Listing listing() {
    return kind == Layout.TYPOGRAPHIC ? ImageSet.folder(path).listing() : Listing.NONE;
  }

  /**
   * The parts that the files name; where they do not name all three, everything dealt out by the
   * seed, a quarter, a quarter and half of each group.
   */
  public Parts parts(long seed) {
    boolean named = !kind.isWritten() && (kind != Layout.CSV || GroupLayouts.hasSplits(path));
    if (named) {
      GroupedSet train = read(GroupedSet.GroupSplit.TRAIN);
      GroupedSet validation = read(GroupedSet.GroupSplit.VALIDATION);
      GroupedSet test = read(GroupedSet.GroupSplit.TEST);
      if (!train.members().isEmpty()
          && !validation.members().isEmpty()
          && !test.members().isEmpty()) {
        return new Parts(train, validation, test, false);
      }
    }
    List<GroupedSet> parts = all().dealt(seed, SHARES);
    return new Parts(parts.get(0), parts.get(1), parts.get(2), true);
  }

  /** Perhaps without members. */
  GroupedSet read(GroupedSet.GroupSplit split) {
    return switch (kind) {
      case CELEBA -> CelebaLayout.read(path, "Male", "Blond_Hair", split);
      case WATERBIRDS -> GroupLayouts.waterbirds(path, split);
      case TYPOGRAPHIC -> GroupLayouts.typographic(path);
      case DISENTANGLING -> GroupLayouts.disentangling(path);
      case CSV -> GroupLayouts.table(path, split);
    };
  }
}
