// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.edit;

import io.clipsteer.data.InputException;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.ResidualEdit;
import io.clipsteer.engine.sae.Sae;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * A change of units at one site: {@code x' = x + Σ_j (f'_j − f_j(x))·σ·d_j} on the site's tokens,
 * with each unit's activation f, unit of measurement σ and direction d. For features of an SAE that
 * is {@code decode(f') + (x − decode(f))}: the SAE's error is added back. Features, neurons, a
 * directions and noise are one type, so every baseline runs the path of the method.
 *
 * @param target which units
 * @param rule their new activations
 */
@API(status = API.Status.MAINTAINED, since = "0.1")
public record Edit(EditSite site, Target target, Rule rule) implements ResidualEdit {
  /** Units whose activations change. */
  public sealed interface Target {
    /** The units on tokens, in the current scope. */
    Reading read(EncodedTokens tokens);

    /** Number of units k. */
    int count();
  }

  /**
   * Units on tokens.
   *
   * @param active activations f, F32 [n,k]
   * @param directions d, F32 [k,d]
   * @param scale σ, F32 [n,1]; null where activations are in the residual's own units
   */
  public record Reading(Tensor active, Tensor directions, @Nullable Tensor scale) {}

  /**
   * Features of an SAE.
   *
   * @param ids feature numbers, each once, at least one
   * @param raw whether activations are measured in the residual's units, as f·σ
   */
  public record Features(Sae sae, int[] ids, boolean raw) implements Target {
    /** Features measured in units of the normalised activation. */
    public Features(Sae sae, int... ids) {
      this(sae, ids, false);
    }

    public Features {
      check("feature", ids, sae.features());
    }

    @Override
    public int count() {
      return ids.length;
    }

    @Override
    public Reading read(EncodedTokens tokens) {
      Sae.Encoded encoded = tokens.encoded(sae);
      Tensor active = encoded.code().columns(ids);
      Tensor scale = encoded.input().scale();
      long[] rows = Arrays.stream(ids).asLongStream().toArray();
      Tensor directions = sae.decoder().indexSelect(0, Tensor.of(rows, rows.length));
      return raw
          ? new Reading(active.mulInPlace(scale), directions, null)
          : new Reading(active, directions, scale);
    }
  }

  /**
   * Coordinates of the residual; the value of a coordinate is its activation.
   *
   * @param ids coordinates, each once, at least one
   */
  public record Neurons(int width, int... ids) implements Target {
    public Neurons {
      check("neuron", ids, width);
    }

    @Override
    public int count() {
      return ids.length;
    }

    @Override
    public Reading read(EncodedTokens tokens) {
      long[] columns = Arrays.stream(ids).asLongStream().toArray();
      return new Reading(
          tokens.rows().indexSelect(1, Tensor.of(columns, columns.length)),
          Tensor.of(directions(), ids.length, width),
          null);
    }

    /** Unit vectors [k,d]. */
    float[] directions() {
      float[] directions = new float[Math.multiplyExact(ids.length, width)];
      for (int k = 0; k < ids.length; k++) directions[k * width + ids[k]] = 1;
      return directions;
    }
  }

  /**
   * Directions; the activation of the k-th is {@code (x − c)·r_k}, and its change is written along
   * {@code w_k}. With one unit vector u for both, ablation gives {@code x − ((x − c)·u)u}.
   *
   * @param read r [k,d], row by row
   * @param written w [k,d], row by row
   * @param centre c [d]
   * @param sae whose σ is the unit of measurement; null for the residual's own units
   */
  public record Direction(float[] read, float[] written, float[] centre, @Nullable Sae sae)
      implements Target {
    public Direction {
      if (read.length != written.length || read.length % centre.length != 0) {
        throw new IllegalArgumentException("directions of another width than their centre");
      }
    }

    /** Reads and writes the same directions. */
    public Direction(float[] directions, float[] centre, @Nullable Sae sae) {
      this(directions, directions, centre, sae);
    }

    @Override
    public int count() {
      return read.length / centre.length;
    }

    @Override
    public Reading read(EncodedTokens tokens) {
      int d = centre.length;
      Tensor apart = tokens.rows().sub(Tensor.of(centre, 1, d));
      Tensor active = apart.matmul(Tensor.of(read, count(), d).transpose(0, 1));
      Tensor scale = sae == null ? null : tokens.encoded(sae).input().scale();
      return new Reading(active, Tensor.of(written, count(), d), scale);
    }
  }

  /**
   * One random direction for all tokens; its unit of measurement on a token is the distance by
   * which another edit moves that token, so that {@link #noise} moves each token as far.
   *
   * @param like the other edit, of the same site
   */
  public record Noise(Edit like, long seed) implements Target {
    @Override
    public int count() {
      return 1;
    }

    @Override
    public Reading read(EncodedTokens tokens) {
      int width = Math.toIntExact(tokens.rows().size(1));
      Tensor direction = Tensor.normal(new SplittableRandom(seed), 1, 1, width).unit();
      Tensor far = like.added(tokens).norm(1);
      return new Reading(far.mul(0), direction, far);
    }
  }

  /** Moves every token along one random direction, as far as another edit moves it. */
  public static Edit noise(Edit like, long seed) {
    return new Edit(like.site, new Noise(like, seed), new Rule.Add(1));
  }

  /** The SAEs by which the tokens must be encoded. */
  public List<Sae> saes() {
    return switch (target) {
      case Features features -> List.of(features.sae);
      case Neurons neurons -> List.of();
      case Direction one -> one.sae == null ? List.of() : List.of(one.sae);
      case Noise noise -> noise.like.saes();
    };
  }

  /** Units and rule in words, with every number that they depend on but an SAE's weights. */
  public String described() {
    String units =
        switch (target) {
          case Features one -> (one.raw ? "raw features " : "features ") + Arrays.toString(one.ids);
          case Neurons one -> "neurons " + Arrays.toString(one.ids);
          case Direction one ->
              Stream.of(one.read, one.written, one.centre)
                  .map(Arrays::toString)
                  .collect(Collectors.joining(" ", "directions ", ""));
          case Noise one -> "noise " + one.seed + " like " + one.like.described();
        };
    return units + ' ' + rule.described();
  }

  /** The rows that are added to tokens, F32 [n,d] in the current scope. */
  public Tensor added(EncodedTokens tokens) {
    try (Scope scope = Scope.open()) {
      Reading units = target.read(tokens);
      Tensor added = rule.moved(units.active).matmul(units.directions);
      return scope.keep(units.scale == null ? added : added.mulInPlace(units.scale));
    }
  }

  @Override
  public Tensor edit(HookPoint point, Tensor residual) {
    try (Scope scope = Scope.open()) {
      return scope.keep(new EncodedTokens(residual, site, saes()).edited(this));
    }
  }

  /**
   * The value of each unit, or its cap.
   *
   * @throws IllegalArgumentException when the rule sets no values
   */
  public float[] values() {
    return switch (rule) {
      case Rule.Set set -> set.values();
      case Rule.Cap cap -> cap.values();
      case Rule.Times part -> new Edit(site, target, part.whole()).values();
      default -> throw new IllegalArgumentException(rule.described() + " sets no values");
    };
  }

  private static void check(String what, int[] ids, int all) {
    if (ids.length == 0) throw new IllegalArgumentException("no " + what);
    if (Arrays.stream(ids).distinct().count() < ids.length) {
      throw new IllegalArgumentException("a " + what + " twice");
    }
    for (int id : ids) {
      if (id >= 0 && id < all) continue;
      throw new InputException(
          what + " " + id, "there are " + what + "s 0 to " + (all - 1), "Name one of them");
    }
  }
}
