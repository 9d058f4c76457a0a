// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

import io.clipsteer.engine.Tensor;

/**
 * What a tower says of a batch.
 *
 * @param pooled the pooled, normed token [b,d], before projection
 * @param embedding unit rows [b,e]: the projection of {@code pooled}, or {@code pooled} itself in a
 *     model without projection
 */
public record TowerOutput(Tensor pooled, Tensor embedding) {}
