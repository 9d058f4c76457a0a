// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.checkpoint;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.AttentionPool;
import io.clipsteer.engine.model.Block.Linear;
import io.clipsteer.engine.model.VisionConfig;
import io.clipsteer.engine.model.VisionTower;
import io.clipsteer.engine.model.VisionWeights;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Names of a vision transformer's tensors in one family of checkpoints.
 *
 * @param flat whether tokens and positions have no leading dimension of 1, and the class token is a
 *     vector, as in CLIP
 * @param patch convolution that makes patches
 * @param patchBias whether it has a bias
 * @param prefix prefix tokens in order, or none; all but the last are one token each
 * @param positions positions, those of prefix tokens first; null for none
 * @param preNorm norm before the first block; null for none
 * @param finalNorm norm after the last block; null for none
 */
record VitNames(
    boolean flat,
    String patch,
    boolean patchBias,
    List<String> prefix,
    @Nullable String positions,
    @Nullable String preNorm,
    BlockNames blocks,
    @Nullable String finalNorm) {

  /**
   * Assembles the tower.
   *
   * @param positioned number of prefix tokens that have positions
   * @param projection after pooling; null for none
   */
  VisionTower assemble(
      WeightSource weights, VisionConfig config, int positioned, @Nullable Linear projection) {
    return assemble(weights, config, positioned, null, projection);
  }

  /**
   * The same with attention pooling.
   *
   * @param pool with {@code Pooling.ATTENTION}, else null
   */
  VisionTower assemble(
      WeightSource weights,
      VisionConfig config,
      int positioned,
      @Nullable AttentionPool pool,
      @Nullable Linear projection) {
    int d = config.width();
    int patches = config.patches().count();
    double eps = config.blocks().eps();
    var made =
        new VisionWeights(
            patchProduct(weights, d, config.patch()),
            weights.ready(() -> prefixTokens(weights, config, positioned)),
            positions == null
                ? null
                : weights.ready(
                    () ->
                        rows(weights, positions, positioned + patches, config)
                            .narrow(0, positioned, patches)
                            .contiguous()),
            preNorm == null ? null : weights.norm(preNorm, d, eps),
            blocks.read(weights, config.blocks()),
            finalNorm == null ? null : weights.norm(finalNorm, d, eps),
            pool,
            projection);
    return new VisionTower(config, made);
  }

  /** A convolution whose stride is its kernel, as a product over flattened patches. */
  private Linear patchProduct(WeightSource weights, int d, int side) {
    return new Linear(
        weights.ready(
            () -> weights.take(patch + ".weight", d, 3, side, side).reshape(d, 3L * side * side)),
        patchBias ? weights.ready(patch + ".bias", d) : null);
  }

  /** Prefix tokens [prefix,d], with positions on the first {@code positioned} of them. */
  private Tensor prefixTokens(WeightSource weights, VisionConfig config, int positioned) {
    List<Tensor> tokens = new ArrayList<>();
    for (int i = 0; i < prefix.size(); i++) {
      boolean last = i == prefix.size() - 1;
      tokens.add(rows(weights, prefix.get(i), last ? config.prefixTokens() - i : 1, config));
    }
    if (tokens.isEmpty()) return Tensor.zeros(DType.F32, 0, config.width());
    Tensor all = Tensor.concat(tokens, 0);
    if (positions != null && positioned > 0) {
      Tensor own = rows(weights, positions, positioned + config.patches().count(), config);
      all.narrow(0, 0, positioned).addInPlace(own.narrow(0, 0, positioned));
    }
    return all;
  }

  /** A stored tensor as [n,d]. */
  private Tensor rows(WeightSource weights, String name, int n, VisionConfig config) {
    int d = config.width();
    if (!flat) return weights.take(name, 1, n, d).reshape(n, d);
    boolean vector = !name.equals(positions);
    return (vector ? weights.take(name, d) : weights.take(name, n, d)).reshape(n, d);
  }
}
