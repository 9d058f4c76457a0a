// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.Block.Linear;
import io.clipsteer.engine.model.Block.Norm;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A text tower's weights, ready to use.
 *
 * @param tokens vectors of the vocabulary
 * @param positions [context,d]
 */
public record TextWeights(
    TokenTable tokens,
    Tensor positions,
    List<Block> blocks,
    Norm finalNorm,
    @Nullable Linear projection) {}
