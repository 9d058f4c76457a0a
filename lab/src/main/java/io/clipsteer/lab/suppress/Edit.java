// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.edit.FeatureEdit;
import io.clipsteer.engine.sae.Sae;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/** What is added to tokens. The method and all its baselines are edits, and run the same path. */
sealed interface Edit {
  /** F32 [n,d] for a moment's rows, in the current scope. */
  Tensor added(EncodedTokens moment);

  /** The SAEs that it asks the moment for. */
  default List<Sae> saes() {
    return switch (this) {
      case Features features -> List.of(features.sae);
      case Noise noise -> noise.like.saes();
      case Coordinates coordinates -> List.of();
      case Projection projection -> List.of();
    };
  }

  /** All that makes it this edit, but for its SAE's weights. */
  default String described() {
    return switch (this) {
      case Features one ->
          (one.cap ? "capped features " : "features ")
              + Arrays.toString(one.ids)
              + Arrays.toString(one.values);
      case Noise one -> "noise " + one.seed + " like " + one.like.described();
      case Coordinates one ->
          "coordinates " + Arrays.toString(one.ids) + Arrays.toString(one.values);
      case Projection one ->
          "projection " + Arrays.toString(one.direction) + Arrays.toString(one.centre);
    };
  }

  /**
   * Features become fixed values, or no more than these, and the SAE's error is added back.
   *
   * @param ids feature numbers, each once, at least one
   * @param values what each becomes, in units of the normalised activation; 0 ablates
   * @param cap whether activations below their values stay
   */
  record Features(Sae sae, int[] ids, float[] values, boolean cap) implements Edit {
    public Features {
      check(ids, values);
    }

    @Override
    public Tensor added(EncodedTokens moment) {
      return FeatureEdit.added(
          sae,
          moment.encoded(sae),
          ids,
          active -> {
            Tensor wanted = Tensor.of(values, 1, values.length);
            if (!cap) return active.mul(0).addInPlace(wanted);
            Tensor above = active.sub(wanted);
            return active.sub(above.whereAboveZero(above));
          });
    }
  }

  /**
   * Coordinates of the residual become fixed values.
   *
   * @param ids coordinates, each once, at least one
   * @param values what each becomes, in the residual's units
   */
  record Coordinates(int[] ids, float[] values) implements Edit {
    public Coordinates {
      check(ids, values);
    }

    @Override
    public Tensor added(EncodedTokens moment) {
      Tensor rows = moment.rows();
      Tensor added = rows.mul(0);
      for (int c = 0; c < ids.length; c++) {
        Tensor column = rows.narrow(1, ids[c], 1);
        added.narrow(1, ids[c], 1).copyFrom(column.mul(-1).addInPlace(values[c]));
      }
      return added;
    }
  }

  /**
   * The part along a direction becomes that of a centre: {@code x − ((x − c)·u)u}.
   *
   * @param direction u, of unit length [d]
   * @param centre c [d]
   */
  record Projection(float[] direction, float[] centre) implements Edit {
    @Override
    public Tensor added(EncodedTokens moment) {
      Tensor u = Tensor.of(direction, direction.length, 1);
      Tensor along = moment.rows().sub(Tensor.of(centre, 1, centre.length)).matmul(u);
      return along.mulInPlace(-1).matmul(u.reshape(1, direction.length));
    }
  }

  /**
   * Every token moves along one random direction, as far as another edit moves it.
   *
   * @param like the other edit
   */
  record Noise(Edit like, long seed) implements Edit {
    @Override
    public Tensor added(EncodedTokens moment) {
      Tensor far = like.added(moment).norm(1);
      return far.matmul(direction(Math.toIntExact(moment.rows().size(1))));
    }

    /** Evenly drawn, F32 [1,d]. */
    private Tensor direction(int width) {
      SplittableRandom random = new SplittableRandom(seed);
      float[] values = new float[width];
      for (int j = 0; j < width; j++) values[j] = (float) random.nextGaussian();
      return Tensor.of(values, 1, width).unit();
    }
  }

  private static void check(int[] ids, float[] values) {
    if (ids.length == 0 || ids.length != values.length) {
      throw new IllegalArgumentException(ids.length + " places, " + values.length + " values");
    }
  }
}
