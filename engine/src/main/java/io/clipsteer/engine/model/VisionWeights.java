// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.Block.Linear;
import io.clipsteer.engine.model.Block.Norm;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A vision tower's weights, ready to use.
 *
 * @param patch patch product [d,3·p·p], columns ordered channel, row, column
 * @param prefix prefix tokens with their positions added [p,d]
 * @param positions positions of the patches [g·g,d], row-major, g the grid they were trained for
 * @param preNorm norm before the first block, or null
 */
public record VisionWeights(
    Linear patch,
    Tensor prefix,
    Tensor positions,
    @Nullable Norm preNorm,
    List<Block> blocks,
    Norm finalNorm,
    @Nullable Linear projection) {
  VisionWeights withBlocks(List<Block> others) {
    return new VisionWeights(patch, prefix, positions, preNorm, others, finalNorm, projection);
  }
}
