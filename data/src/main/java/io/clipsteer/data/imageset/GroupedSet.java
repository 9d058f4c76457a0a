// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.imageset;

import io.clipsteer.data.InputException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * An image set whose every image has a target (to be predicted) and an attribute (which must not
 * matter). Each pair of both is a group; the accuracy on the worst group shows what a model relies
 * on.
 *
 * <p>Reading one throws {@link io.clipsteer.data.InputException}, with file and line, for a missing
 * file or column, a row with too few or too many columns, a value that the layout does not know, an
 * image listed twice, outside the folder or (in the chosen split) not on disk, and text that is not
 * UTF-8. Images are not decoded. Tables are read line by line.
 *
 * @param images precisely the members' images, in their order; an image's label is its target
 * @param targets names of the targets, all different
 * @param attributes names of the attributes, all different
 * @param members one for each image
 */
public record GroupedSet(
    ImageSet images, List<String> targets, List<String> attributes, List<Member> members) {
  /**
   * One image.
   *
   * @param id what the images' cursor calls it: its path below the set's folder, with {@code /}
   * @param target index into the targets
   * @param attribute index into the attributes
   */
  public record Member(String id, int target, int attribute) {}

  /** Which part of a set. */
  public enum GroupSplit {
    /** To choose features on; 0 in the files. */
    TRAIN(0),
    /** To choose their number on; 1 in the files. */
    VALIDATION(1),
    /** To report on; 2 in the files. */
    TEST(2),
    /** Everything. */
    ALL(-1);

    private final int code;

    GroupSplit(int code) {
      this.code = code;
    }

    boolean holds(int part) {
      return code < 0 || code == part;
    }
  }

  /**
   * @throws IllegalArgumentException when a name is given twice, there are more groups than an int
   *     counts, or a member's target or attribute is none of the named ones
   */
  public GroupedSet {
    targets = List.copyOf(targets);
    attributes = List.copyOf(attributes);
    members = List.copyOf(members);
    if (distinct(targets) < targets.size() || distinct(attributes) < attributes.size()) {
      throw new IllegalArgumentException("a target or attribute is named twice");
    }
    if ((long) targets.size() * attributes.size() > Integer.MAX_VALUE) {
      throw new IllegalArgumentException("too many groups");
    }
    for (Member m : members) {
      if (m.target < 0
          || m.target >= targets.size()
          || m.attribute < 0
          || m.attribute >= attributes.size()) {
        throw new IllegalArgumentException(m + " has no such target or attribute");
      }
    }
  }

  private static int distinct(List<String> names) {
    return new HashSet<>(names).size();
  }

  /**
   * Images with labels as targets (class folders, a table's column), and one attribute.
   *
   * @param attribute its name
   *     <p>Images without a label are skipped: the set's listing has named them.
   * @throws io.clipsteer.data.InputException when no image has a label
   */
  public static GroupedSet labelled(ImageSet images, String attribute) {
    List<String> ids = new ArrayList<>();
    List<String> labels = new ArrayList<>();
    boolean unlabelled = false;
    try (ImageCursor cursor = images.cursor()) {
      for (ImageItem item = cursor.next(); item != null; item = cursor.next()) {
        String label = item.label();
        if (label == null) {
          unlabelled = true;
          continue;
        }
        ids.add(item.id());
        labels.add(label);
      }
    }
    if (ids.isEmpty()) {
      throw new InputException(
          images.origin(),
          unlabelled ? "none of its images has a label" : "it holds no image",
          "Put the images into a folder a class, or name classes in a table");
    }
    List<String> targets = List.copyOf(new TreeSet<>(labels));
    List<Member> members = new ArrayList<>();
    for (int i = 0; i < ids.size(); i++) {
      members.add(new Member(ids.get(i), Collections.binarySearch(targets, labels.get(i)), 0));
    }
    ImageSet labelled = unlabelled ? new Subset(images, new HashSet<>(ids)) : images;
    return new GroupedSet(labelled, targets, List.of(attribute), members);
  }

  /** The member's group: target × number of attributes + attribute. */
  public int group(Member member) {
    return member.target * attributes.size() + member.attribute;
  }

  /** Number of members in each group, by {@link #group}; empty groups count 0. */
  public List<Integer> groupSizes() {
    Integer[] sizes = new Integer[targets.size() * attributes.size()];
    Arrays.fill(sizes, 0);
    for (Member member : members) sizes[group(member)]++;
    return List.of(sizes);
  }

  /**
   * The same set with each group cut down to the size of the smallest, by chance that hangs on the
   * seed alone; the order stays. Groups without images stay empty and do not count as smallest.
   */
  public GroupedSet balanced(long seed) {
    int smallest =
        groupSizes().stream().filter(n -> n > 0).mapToInt(Integer::intValue).min().orElse(0);
    return atMost(smallest, seed);
  }

  /**
   * The same set with at most {@code most} images of each group, drawn by chance that hangs on the
   * seed alone; the order stays.
   */
  public GroupedSet atMost(int most, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    BitSet kept = new BitSet(members.size());
    for (List<Integer> group : byGroup().values()) {
      int wanted = Math.min(most, group.size());
      // The first steps of a Fisher-Yates shuffle.
      for (int i = 0; i < wanted; i++) {
        Collections.swap(group, i, i + random.nextInt(group.size() - i));
        kept.set(group.get(i));
      }
    }
    return only(kept);
  }

  /** At most {@code most} images of all groups together, in proportion, by the seed alone. */
  public GroupedSet some(int most, long seed) {
    int n = members.size();
    return n <= most ? this : dealt(seed, most, n - most).getFirst();
  }

  /**
   * Deals the images out into parts without overlap, by chance that hangs on the seed alone; the
   * order stays. Group after group, shuffled, each image goes to the part that lacks most: of every
   * group the parts get their shares, within an image, and of many tiny groups together too.
   *
   * @param shares of each part, above 0; they count in proportion
   */
  public List<GroupedSet> dealt(long seed, double... shares) {
    double all = Arrays.stream(shares).sum();
    SplittableRandom random = new SplittableRandom(seed);
    List<BitSet> parts = new ArrayList<>();
    for (int p = 0; p < shares.length; p++) parts.add(new BitSet(members.size()));
    int[] counts = new int[shares.length];
    int dealt = 0;
    for (List<Integer> group : byGroup().values()) {
      for (int i = 0; i < group.size() - 1; i++) {
        Collections.swap(group, i, i + random.nextInt(group.size() - i));
      }
      for (int member : group) {
        dealt++;
        int most = shares.length - 1;
        for (int p = most - 1; p >= 0; p--) {
          double lacks = shares[p] / all * dealt - counts[p];
          if (lacks > shares[most] / all * dealt - counts[most] + 1e-9) most = p;
        }
        counts[most]++;
        parts.get(most).set(member);
      }
    }
    return parts.stream().map(this::only).toList();
  }

  /** Places of the members by group. */
  private TreeMap<Integer, List<Integer>> byGroup() {
    TreeMap<Integer, List<Integer>> groups = new TreeMap<>();
    for (int i = 0; i < members.size(); i++) {
      groups.computeIfAbsent(group(members.get(i)), g -> new ArrayList<>()).add(i);
    }
    return groups;
  }

  private GroupedSet only(BitSet kept) {
    List<Member> chosen = kept.stream().mapToObj(members::get).toList();
    Set<String> ids = new HashSet<>();
    for (Member member : chosen) ids.add(member.id);
    return new GroupedSet(new Subset(images, ids), targets, attributes, chosen);
  }
}
