// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.study;

import io.clipsteer.data.imageset.ImageBatch;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.lab.run.Images;

/**
 * Images whose right answer is known.
 *
 * @param library the answers to choose from
 * @param truth by place in the set: row of the right answer
 * @param group by place in the set: which of the {@link Groups}, or {@link Groups#CLEAN}
 */
public record LabelledImages(Images images, TextLibrary library, int[] truth, int[] group) {
  public LabelledImages {
    if (truth.length != group.length) throw new IllegalArgumentException("truth and groups");
  }

  /** Right answers of a batch. */
  public int[] truth(ImageBatch batch) {
    return batch.positions().stream().mapToInt(p -> truth[Math.toIntExact(p)]).toArray();
  }

  /** Groups of a batch. */
  public int[] group(ImageBatch batch) {
    return batch.positions().stream().mapToInt(p -> group[Math.toIntExact(p)]).toArray();
  }
}
