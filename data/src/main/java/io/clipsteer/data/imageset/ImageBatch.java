// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.imageset;

import java.lang.foreign.MemorySegment;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Images ready for a model.
 *
 * @param ids one for each image, in the set's order
 * @param labels one for each image, null where it has none
 * @param positions index of each image in the set, from 0, skipped images counted
 * @param pixels native memory, float32 {@code [count, 3, height, width]}; reused: valid until the
 *     loader's next batch is requested, or the loader is closed
 */
public record ImageBatch(
    List<String> ids, List<@Nullable String> labels, List<Long> positions, MemorySegment pixels) {
  /** Images in it, at least 1. */
  public int count() {
    return ids.size();
  }
}
