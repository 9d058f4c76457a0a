// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.explorer;

import io.clipsteer.data.stats.Auroc;
import io.clipsteer.lab.index.FeatureSearch;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Features that tell two sets of images apart, by their largest activation on each image. */
final class GroupsJob {
  private static final int SHOWN = 60;

  /**
   * A feature and two sets.
   *
   * @param auroc of its largest activation as a classifier of the first set
   * @param firstMean mean of its largest activation over the first set
   * @param secondMean likewise
   */
  record GroupFeature(
      int sae,
      int layer,
      int id,
      @Nullable String name,
      Auroc auroc,
      double firstMean,
      double secondMean) {}

  /** What comes out, the clearest features first. */
  record GroupsResult(int first, int second, List<GroupFeature> features) {}

  private final Desk desk;
  private final ImageShelf images;
  private final Set<String> first;
  private final List<List<float[]>> ofFirst = new ArrayList<>();
  private final List<List<float[]>> ofSecond = new ArrayList<>();

  GroupsJob(Desk desk, ImageShelf images, List<String> first) {
    this.desk = desk;
    this.images = images;
    this.first = new HashSet<>(first);
  }

  void add(String image) {
    List<float[]> maxima = desk.workbench().maxima(images.decoded(image));
    (first.contains(image) ? ofFirst : ofSecond).add(maxima);
  }

  Object result() {
    List<GroupFeature> all = new ArrayList<>();
    FeatureSearch search = desk.search();
    if (ofFirst.isEmpty() || ofSecond.isEmpty()) return new GroupsResult(0, 0, all);
    var saes = desk.run().saes().all();
    for (int s = 0; s < saes.size(); s++) {
      for (int id = 0; id < saes.get(s).sae().features(); id++) {
        double[] a = values(ofFirst, s, id);
        double[] b = values(ofSecond, s, id);
        double meanA = Arrays.stream(a).average().orElse(0);
        double meanB = Arrays.stream(b).average().orElse(0);
        if (meanA == 0 && meanB == 0) continue;
        Auroc auroc = Auroc.of(area(a, b), a.length, b.length);
        String name = search.words().get(s).get(id).name();
        int layer = saes.get(s).point().layer();
        all.add(new GroupFeature(s, layer, id, name, auroc, meanA, meanB));
      }
    }
    all.sort(Comparator.comparingDouble((GroupFeature one) -> -clear(one.auroc)));
    return new GroupsResult(
        ofFirst.size(), ofSecond.size(), List.copyOf(all.subList(0, Math.min(SHOWN, all.size()))));
  }

  /** How far the interval is from a half; below 0 where it holds it. */
  private static double clear(Auroc auroc) {
    return Math.max(auroc.low() - 0.5, 0.5 - auroc.high());
  }

  private static double[] values(List<List<float[]>> images, int sae, int id) {
    return images.stream().mapToDouble(one -> one.get(sae)[id]).toArray();
  }

  /** The share of pairs in which the first has the larger value; equal ones count half. */
  static double area(double[] first, double[] second) {
    double[] sorted = second.clone();
    Arrays.sort(sorted);
    double wins = 0;
    for (double value : first) {
      int below = lower(sorted, value);
      int upTo = lower(sorted, Math.nextUp(value));
      wins += below + (upTo - below) / 2.0;
    }
    return wins / first.length / second.length;
  }

  /** How many are less than a value. */
  private static int lower(double[] sorted, double value) {
    int low = 0;
    int high = sorted.length;
    while (low < high) {
      int middle = (low + high) >>> 1;
      if (sorted[middle] < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
