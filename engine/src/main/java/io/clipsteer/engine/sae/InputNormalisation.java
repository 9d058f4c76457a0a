// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import java.util.Locale;
import org.apiguardian.api.API;

/**
 * Normalisation of activations before the SAE, undone on its reconstruction: {@code x̂ = ẑ · scale
 * + shift}.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public sealed interface InputNormalisation {
  /**
   * Normalised rows, with shift and scale to undo it.
   *
   * @param z [n,d]
   * @param shift [n,1] or [1,d]
   * @param scale [n,1] or [1,1]
   */
  record Normalised(Tensor z, Tensor shift, Tensor scale) {
    /** Back to the units of x: {@code y · scale + shift}. */
    public Tensor undo(Tensor y) {
      try (Scope scope = Scope.open()) {
        return scope.keep(y.mul(scale).addInPlace(shift));
      }
    }
  }

  /**
   * Normalises rows.
   *
   * @param x F32 [n,d]
   */
  Normalised apply(Tensor x);

  /** The name in SAELens's {@code normalize_activations}. */
  String peerName();

  /** The kind of normalisation, before it is fitted to activations. */
  enum Kind {
    /** {@link None}. */
    NONE,
    /** {@link LayerNorm}. */
    LAYER_NORM,
    /** {@link Standardise}. */
    STANDARDISE;

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }

    /**
     * The normalisation fitted to activations.
     *
     * @param sample F32 [n,d]
     */
    public InputNormalisation fitted(Tensor sample) {
      return switch (this) {
        case NONE -> new None();
        case LAYER_NORM -> new LayerNorm();
        case STANDARDISE -> Standardise.of(sample);
      };
    }
  }

  /** No normalisation. */
  record None() implements InputNormalisation {
    @Override
    public Normalised apply(Tensor x) {
      return new Normalised(x, x.narrow(1, 0, 1).mul(0), x.narrow(1, 0, 1).mul(0).addInPlace(1));
    }

    @Override
    public String peerName() {
      return "none";
    }
  }

  /**
   * Minus a fixed mean, divided by one fixed number: activations of mean 0 and, averaged over the
   * coordinates, variance 1. Used in training only; a trained SAE has it folded into its weights.
   *
   * @param mean [d]
   * @param scale above 0
   */
  record Standardise(float[] mean, double scale) implements InputNormalisation {
    /** Fitted to activations F32 [n,d]. */
    public static Standardise of(Tensor sample) {
      try (Scope scope = Scope.open()) {
        Tensor mean = sample.mean(0, true);
        Tensor centred = sample.sub(mean);
        double variance = centred.mul(centred).sum(DType.F64).item() / centred.elements();
        return new Standardise(mean.toFloats(), Math.sqrt(Math.max(variance, 1e-12)));
      }
    }

    @Override
    public Normalised apply(Tensor x) {
      Tensor shift = Tensor.of(mean, 1, mean.length).to(x.device());
      Tensor factor = Tensor.zeros(DType.F32, x.device(), x.size(0), 1).addInPlace(scale);
      return new Normalised(x.sub(shift).mulInPlace(1 / scale), shift, factor);
    }

    @Override
    public String peerName() {
      return "standardise";
    }
  }

  /**
   * Per token: minus its mean, divided by its unbiased standard deviation plus 1e-5. It is undone
   * with the standard deviation alone, as SAELens, ViT-Prisma and OpenAI's sparse_autoencoder do.
   */
  record LayerNorm() implements InputNormalisation {
    /** Added to the standard deviation that divides. */
    public static final double EPS = 1e-5;

    @Override
    public Normalised apply(Tensor x) {
      Tensor mean = x.mean(1, true);
      Tensor centred = x.sub(mean);
      Tensor scale = centred.std(1);
      return new Normalised(centred.divInPlace(scale.copy().addInPlace(EPS)), mean, scale);
    }

    @Override
    public String peerName() {
      return "layer_norm";
    }
  }
}
