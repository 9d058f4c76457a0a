// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.study;

import io.clipsteer.data.imageset.ImageBatch;
import io.clipsteer.engine.model.AnswerHead;
import io.clipsteer.lab.run.Images;
import java.util.List;

/**
 * Images with their right answers.
 *
 * @param head the answers to choose from
 * @param truth row of the right answer, by position in the set
 * @param group by position in the set: one of the {@link Groups}, or {@link Groups#CLEAN}
 */
public record LabelledImages(Images images, AnswerHead head, int[] truth, int[] group) {
  public LabelledImages {
    if (truth.length != group.length) throw new IllegalArgumentException("truth and groups");
  }

  /** Number of images of all parts. */
  public static long count(List<LabelledImages> parts) {
    return parts.stream().mapToLong(part -> part.truth.length).sum();
  }

  /** Right answers of a batch. */
  public int[] truth(ImageBatch batch) {
    return of(truth, batch);
  }

  /** Groups of a batch. */
  public int[] group(ImageBatch batch) {
    return of(group, batch);
  }

  private static int[] of(int[] values, ImageBatch batch) {
    return batch.positions().stream().mapToInt(p -> values[Math.toIntExact(p)]).toArray();
  }
}
