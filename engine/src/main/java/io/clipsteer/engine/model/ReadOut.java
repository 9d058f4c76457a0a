// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

import io.clipsteer.engine.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * From the class token's residual x [d] to the embedding, up to its length: {@code W(gain · (x −
 * mean)/√(var + eps) + shift) + bias}.
 *
 * @param gain LayerNorm's weight [d]
 * @param shift LayerNorm's bias [d]
 * @param eps added to the variance
 * @param projection W [e,d], or null where the normed token is the embedding
 * @param bias [e], or null
 */
public record ReadOut(
    Tensor gain, Tensor shift, double eps, @Nullable Tensor projection, @Nullable Tensor bias) {}
