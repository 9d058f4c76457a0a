// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

import io.clipsteer.data.InputException;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.Block.Linear;
import io.clipsteer.engine.model.Block.Norm;
import java.util.List;

/**
 * A text tower that reads one vector as if it were a token more: the vector can be learnt, the
 * tower stays as it is. In float32, and of operations that can be differentiated.
 */
public final class PrefixedTexts {
  private final TextTower tower;
  private final TextConfig config;
  private final TextWeights weights;
  private final Device device;

  /**
   * Of a tower.
   *
   * @throws InputException when its tokens see those behind them, so that there is no one place for
   *     a token more
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
   * @param ids a row a text, all rows of the same length &lt; context, each with its end token
   * @param places of each row, before which token the vector stands; up to the end token's place
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
    Tensor known =
        f32(weights.tokens().indexSelect(0, Tensor.of(flat, flat.length).to(device))).mul(others);
    Tensor places3 = f32(weights.positions()).narrow(0, 0, t).reshape(1, t, d);
    Tensor x =
        known
            .add(mine.matmul(vector.to(device)))
            .reshape(b, t, d)
            .add(places3)
            .reshape((long) b * t, d);
    for (Block block : weights.blocks()) x = step(block, x, b, t);
    Tensor pooled =
        norm(x.indexSelect(0, Tensor.of(ends, ends.length).to(device)), weights.finalNorm());
    Linear projection = weights.projection();
    Tensor out = projection == null ? pooled : linear(pooled, projection);
    return out.div(out.norm(-1));
  }

  private Tensor step(Block block, Tensor x, long b, long t) {
    int h = config.blocks().heads();
    long d = x.size(1);
    List<Tensor> three =
        linear(norm(x, block.ln1()), block.qkv())
            .reshape(b, t, 3, h, d / h)
            .permute(2, 0, 3, 1, 4)
            .unbind(0);
    Tensor seen = three.get(0).attention(three.get(1), three.get(2), true);
    Tensor added = linear(seen.transpose(1, 2).reshape(b * t, d), block.out());
    Tensor middle = x.add(block.scale1() == null ? added : added.mul(f32(block.scale1())));
    Tensor inner =
        config.blocks().activation().apply(linear(norm(middle, block.ln2()), block.fc1()));
    Tensor outer = linear(inner, block.fc2());
    return middle.add(block.scale2() == null ? outer : outer.mul(f32(block.scale2())));
  }

  private static Tensor f32(Tensor weight) {
    return weight.dtype() == DType.F32 ? weight : weight.to(DType.F32);
  }

  private static Tensor norm(Tensor x, Norm norm) {
    return x.layerNorm(f32(norm.weight()), f32(norm.bias()), norm.eps());
  }

  private static Tensor linear(Tensor rows, Linear linear) {
    Tensor bias = linear.bias();
    return rows.linear(f32(linear.weight()), bias == null ? null : f32(bias));
  }
}
