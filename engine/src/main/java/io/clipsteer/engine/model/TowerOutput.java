// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.Block.Linear;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * A tower's result for a batch.
 *
 * @param pooled the pooled, normed token [b,d], before projection
 * @param embedding unit rows F32 [b,e]: the projection of {@code pooled}, or {@code pooled} itself
 *     in a model without projection
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public record TowerOutput(Tensor pooled, Tensor embedding) {
  /** Projects and normalises; both tensors outlive {@code scope}. */
  static TowerOutput of(Tensor pooled, @Nullable Linear projection, Scope scope) {
    Tensor projected = projection == null ? pooled : projection.apply(pooled);
    return new TowerOutput(scope.keep(pooled), scope.keep(projected.to(DType.F32).unit()));
  }
}
