// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

import io.clipsteer.data.InputException;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Tensor;

/**
 * A text tower with one additional token, whose vector can be trained while the tower is fixed. In
 * float32, with differentiable operations only.
 */
public final class PrefixedTexts {
  private final TextTower tower;
  private final TextConfig config;
  private final TextWeights weights;
  private final Device device;

  /**
   * Prepares a tower.
   *
   * @throws InputException when the tower is not causal or does not end at an end token
   */
  public PrefixedTexts(TextTower tower) {
    this.tower = tower;
    this.config = tower.config();
    this.weights = tower.weights();
    this.device = weights.tokens().device();
    boolean ends =
        switch (config.end().rule()) {
          case LARGEST_ID, FIRST_END -> true;
          case FIRST, LAST -> false;
        };
    if (!config.causal() || !ends) {
      throw new InputException(
          "the text tower", "is not causal as CLIP's", "Leave --defense-prefix out");
    }
  }

  /** d of the vector. */
  public int width() {
    return config.width();
  }

  /**
   * Unit embeddings of texts, in a scope of the caller's; recorded where the vector is trainable.
   *
   * @param ids one row per text, all rows of the same length &lt; context, each with its end token
   * @param places per row, the token before which the vector is inserted; at most the end token's
   *     index
   * @param vector F32 [1,d]
   * @return F32 [texts,e]
   */
  public Tensor embed(long[][] ids, int[] places, Tensor vector) {
    int b = ids.length;
    int t = ids[0].length + 1;
    int d = config.width();
    if (t > config.context()) {
      throw new InputException(
          "texts of " + ids[0].length + " tokens",
          "leave no room for one more among " + config.context(),
          "Use shorter names");
    }
    long[] flat = new long[b * t];
    float[] here = new float[b * t];
    long[] ends = new long[b];
    for (int i = 0; i < b; i++) {
      int place = places[i];
      if (place < 0 || place > tower.endOf(ids[i])) {
        throw new InputException(
            "a text's end token", "is not the text tower's", "Use the model's own tokenizer");
      }
      for (int j = 0; j < t; j++) flat[i * t + j] = ids[i][j < place ? j : Math.max(0, j - 1)];
      here[i * t + place] = 1;
      ends[i] = (long) i * t + tower.endOf(ids[i]) + 1;
    }
    Tensor mine = Tensor.of(here, (long) b * t, 1).to(device);
    Tensor others = mine.mul(-1).addInPlace(1);
    Tensor known = Recorded.f32(weights.tokens().rows(flat)).mul(others);
    Tensor places3 = Recorded.f32(weights.positions()).narrow(0, 0, t).reshape(1, t, d);
    Tensor x =
        known
            .add(mine.matmul(vector.to(device)))
            .reshape(b, t, d)
            .add(places3)
            .reshape((long) b * t, d);
    for (Block block : weights.blocks()) {
      x = Recorded.block(block, x, b, config.blocks(), true, t, null);
    }
    Tensor pooled =
        Recorded.norm(
            x.indexSelect(0, Tensor.of(ends, ends.length).to(device)), weights.finalNorm());
    return Recorded.embedding(pooled, weights.projection());
  }
}
