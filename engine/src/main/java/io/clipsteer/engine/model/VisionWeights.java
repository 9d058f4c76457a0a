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
 * @param prefix prefix tokens with their positions added [p,d]; p may be 0
 * @param positions positions of the patches [g·g,d], row-major, g the grid they were trained for;
 *     null where they are rotary alone
 * @param preNorm norm before the first block, or null
 * @param finalNorm norm after the last block, or null
 * @param pool with {@link Pooling#ATTENTION}, else null
 */
public record VisionWeights(
    Linear patch,
    Tensor prefix,
    @Nullable Tensor positions,
    @Nullable Norm preNorm,
    List<Block> blocks,
    @Nullable Norm finalNorm,
    @Nullable AttentionPool pool,
    @Nullable Linear projection) {
  VisionWeights with(List<Block> others, @Nullable AttentionPool otherPool) {
    return new VisionWeights(
        patch, prefix, positions, preNorm, others, finalNorm, otherPool, projection);
  }
}
