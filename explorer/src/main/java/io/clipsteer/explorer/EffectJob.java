// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.explorer;

import io.clipsteer.data.stats.Mean;
import io.clipsteer.data.stats.Share;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.LongStream;

/** What an edit does on many images, beside random directions of the same length. */
final class EffectJob {
  private static final int DIRECTIONS = 5;

  /**
   * An effect over images.
   *
   * @param logit mean change of the class's logit, compared with the mean of all classes
   * @param flipped share of images whose likeliest class became another
   */
  record Effect(Mean logit, Share flipped) {}

  /**
   * What comes out.
   *
   * @param random the effect of each random direction
   */
  record EffectResult(String head, String name, Effect edit, List<Effect> random) {}

  private final Workbench workbench;
  private final ImageShelf images;
  private final PageEdit edit;
  private final String head;
  private final String name;
  private final List<Long> seeds;
  private final List<List<Workbench.ImageChange>> changes = new ArrayList<>();

  EffectJob(
      Workbench workbench, ImageShelf images, PageEdit edit, String head, String name, long seed) {
    this.workbench = workbench;
    this.images = images;
    this.edit = edit;
    this.head = head;
    this.name = name;
    seeds = LongStream.range(seed, seed + DIRECTIONS).boxed().toList();
  }

  void add(String image) {
    changes.add(workbench.changes(images.decoded(image), edit, head, name, seeds));
  }

  Object result() {
    List<Effect> all = new ArrayList<>();
    for (int k = 0; k <= seeds.size(); k++) {
      int which = k;
      int flipped = (int) changes.stream().filter(one -> one.get(which).flipped()).count();
      double[] logits = changes.stream().mapToDouble(one -> one.get(which).logit()).toArray();
      all.add(new Effect(Mean.of(logits), Share.of(flipped, changes.size())));
    }
    return new EffectResult(head, name, all.getFirst(), all.subList(1, all.size()));
  }
}
