// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.label;

import io.clipsteer.data.stats.RandomOrder;
import io.clipsteer.lab.label.LabelPlan.ShownImage;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Draws the images of one unit's trials.
 *
 * <p>A unit that is active on almost all images, as a coordinate or a direction is, has no inactive
 * ones: the tenth with the smallest activations, at least twenty, stands for them.
 */
final class SheetDraw {
  /** Images on either side that a unit needs. */
  static final int FEWEST = 20;

  private static final int DECILES = 10;
  private static final int NAMED = 8;
  private static final int VERIFIED = 5;
  private static final int CANDIDATES = 200;

  /** Images on which it is active, the strongest first. */
  private final int[] active;

  private final int[] inactive;
  private final float[] activations;
  private final List<Set<String>> labels;
  private final SplittableRandom random;

  private SheetDraw(
      int[] active,
      int[] inactive,
      float[] activations,
      List<Set<String>> labels,
      SplittableRandom random) {
    this.active = active;
    this.inactive = inactive;
    this.activations = activations;
    this.labels = labels;
    this.random = random;
  }

  /** A drawn image by its number, with what it is on the sheet. */
  record Drawn(int image, boolean fires, String part) {
    ShownImage shown(String id, @Nullable String heat) {
      return new ShownImage(id, fires, part, heat);
    }
  }

  /**
   * Of a unit; null where it has too few images on either side.
   *
   * @param activations of all images, 0 where it is not active
   * @param labels of the images; empty sets where they have none
   */
  static @Nullable SheetDraw of(
      float[] activations, List<Set<String>> labels, SplittableRandom random) {
    int[] order =
        IntStream.range(0, activations.length)
            .boxed()
            .sorted(Comparator.comparingDouble((Integer k) -> -activations[k]))
            .mapToInt(Integer::intValue)
            .toArray();
    int firing = (int) Arrays.stream(order).filter(k -> activations[k] > 0).count();
    if (order.length - firing < FEWEST) {
      firing = order.length - Math.max(FEWEST, order.length / DECILES);
    }
    if (firing < FEWEST || order.length - firing < FEWEST) return null;
    return new SheetDraw(
        Arrays.copyOf(order, firing),
        Arrays.copyOfRange(order, firing, order.length),
        activations,
        labels,
        random);
  }

  /** Of no unit: half of the images, drawn at random, stand for those on which one is active. */
  static SheetDraw random(int images, SplittableRandom random) {
    int[] order = RandomOrder.of(images, random);
    int half = images / 2;
    return new SheetDraw(
        Arrays.copyOf(order, half),
        Arrays.copyOfRange(order, half, images),
        new float[images],
        List.of(),
        random);
  }

  /** Share of the images on which it is active. */
  double share() {
    return (double) active.length / activations.length;
  }

  /** The largest activation. */
  float most() {
    return activations[active[0]];
  }

  /** The eight strongest images, and one of each of eight further deciles. */
  List<Drawn> naming() {
    List<Drawn> all = new ArrayList<>();
    for (int k = 0; k < NAMED; k++) all.add(new Drawn(active[k], true, "top"));
    for (int decile = 2; decile < 2 + NAMED; decile++) {
      all.add(fromDecile(decile, all, 1).getFirst());
    }
    return shuffled(all);
  }

  /** Nine references on either side and two queries, in random order. */
  List<Drawn> twoAfc(boolean sameLabels) {
    int[] top = RandomOrder.of(LabelPlan.REFERENCES + 1, random);
    List<Drawn> all = new ArrayList<>();
    for (int k = 1; k < top.length; k++) all.add(new Drawn(active[top[k]], true, "top"));
    for (Drawn one : inactive(LabelPlan.REFERENCES + 1)) all.add(one);
    Drawn negative = all.removeLast();
    Drawn positive = new Drawn(active[top[0]], true, "top");
    if (sameLabels) negative = alike(positive, all);
    all.addAll(shuffled(List.of(positive, negative)));
    return all;
  }

  /** Four images of a decile and one on which it is not active. */
  List<Drawn> intruder(int decile) {
    List<Drawn> all = new ArrayList<>(fromDecile(decile, List.of(), 4));
    all.addAll(inactive(1));
    return shuffled(all);
  }

  /** Five images of different deciles and five on which it is not active. */
  List<Drawn> verification() {
    List<Drawn> all = new ArrayList<>();
    for (int k = 0; k < VERIFIED; k++) all.add(fromDecile(1 + 2 * k, all, 1).getFirst());
    all.addAll(inactive(VERIFIED));
    return shuffled(all);
  }

  /** A trial that anyone gets right who looks: one image four times, and another one. */
  List<Drawn> sameImage() {
    List<Drawn> all = new ArrayList<>();
    for (int k = 0; k < 4; k++) all.add(new Drawn(active[0], true, "top"));
    all.addAll(inactive(1));
    return shuffled(all);
  }

  /** The same as 2AFC: each query is one of its references. */
  List<Drawn> sameQueries() {
    List<Drawn> all = new ArrayList<>(twoAfc(false).subList(0, 2 * LabelPlan.REFERENCES));
    all.addAll(shuffled(List.of(all.get(0), all.get(LabelPlan.REFERENCES))));
    return all;
  }

  private List<Drawn> fromDecile(int decile, List<Drawn> without, int count) {
    int from = active.length * (decile - 1) / DECILES;
    int to = Math.max(from + 1, active.length * decile / DECILES);
    List<Drawn> drawn = new ArrayList<>();
    // A decile of few images is filled from the next ones.
    int[] order = RandomOrder.of(to - from, random);
    int[] beyond = IntStream.range(to - from, active.length).toArray();
    int[] candidates = IntStream.concat(Arrays.stream(order), Arrays.stream(beyond)).toArray();
    for (int k : candidates) {
      int image = active[(from + k) % active.length];
      if (drawn.size() == count) break;
      if (without.stream().anyMatch(one -> one.image == image)) continue;
      drawn.add(new Drawn(image, true, "decile " + decile));
    }
    return drawn;
  }

  private List<Drawn> inactive(int count) {
    return Arrays.stream(RandomOrder.of(inactive.length, random))
        .limit(count)
        .mapToObj(k -> new Drawn(inactive[k], false, "inactive"))
        .toList();
  }

  /** Of some inactive images the one with the most of an image's labels. */
  private Drawn alike(Drawn positive, List<Drawn> without) {
    int best = -1;
    long most = -1;
    int[] order = RandomOrder.of(inactive.length, random);
    for (int k = 0; k < Math.min(CANDIDATES, order.length); k++) {
      int image = inactive[order[k]];
      if (without.stream().anyMatch(one -> one.image == image)) continue;
      Set<String> own = labels.get(image);
      long same = labels.get(positive.image).stream().filter(own::contains).count();
      if (same > most) {
        most = same;
        best = image;
      }
    }
    return new Drawn(best, false, "same labels");
  }

  private List<Drawn> shuffled(List<Drawn> all) {
    return Arrays.stream(RandomOrder.of(all.size(), random)).mapToObj(all::get).toList();
  }
}
