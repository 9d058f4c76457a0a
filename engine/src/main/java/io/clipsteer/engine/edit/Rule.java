// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.edit;

import io.clipsteer.engine.Tensor;
import java.util.Arrays;
import java.util.Locale;
import org.apiguardian.api.API;

/** The new activations of an edit's k units, from the activations before it. */
@API(status = API.Status.EXPERIMENTAL, since = "0.1")
public sealed interface Rule {
  /** Which rule, without its numbers. */
  enum RuleKind {
    SET,
    CAP,
    SCALE,
    ADD
  }

  /**
   * Activations become values, as 0 (ablation) or their mean over a set of images.
   *
   * @param values one for all units, or k
   */
  record Set(float... values) implements Rule {}

  /**
   * Activations above their cap become the cap; those below it stay.
   *
   * @param values one for all units, or k
   */
  record Cap(float... values) implements Rule {}

  /** Activations are multiplied by a factor. */
  record Scale(double factor) implements Rule {}

  /** A value is added to activations. */
  record Add(double value) implements Rule {}

  /**
   * Activations move by a multiple of what another rule moves them by.
   *
   * @param whole the other rule, which is not of this kind itself
   * @param strengths of each of the k units; 1 is the whole, beyond it activations overshoot
   */
  record Times(Rule whole, float... strengths) implements Rule {}

  /** Activations become 0. */
  static Rule ablate() {
    return new Set(0);
  }

  /**
   * The rule of a kind.
   *
   * @param values one, or for set and cap one for each unit
   */
  static Rule of(RuleKind kind, float... values) {
    return switch (kind) {
      case SET -> new Set(values);
      case CAP -> new Cap(values);
      case SCALE -> new Scale(values[0]);
      case ADD -> new Add(values[0]);
    };
  }

  /** Its kind. */
  default RuleKind kind() {
    return switch (this) {
      case Set set -> RuleKind.SET;
      case Cap cap -> RuleKind.CAP;
      case Scale scale -> RuleKind.SCALE;
      case Add add -> RuleKind.ADD;
      case Times part -> part.whole.kind();
    };
  }

  /** How much of the change each of k units makes; 1 but for {@link Times}. */
  default float[] strengths(int k) {
    if (this instanceof Times part) return part.strengths.clone();
    float[] all = new float[k];
    Arrays.fill(all, 1);
    return all;
  }

  /** The strengths of k units in words, as " × 1.5"; empty where all are 1. */
  default String times(int k) {
    float[] all = strengths(k);
    Arrays.sort(all);
    if (all[0] == 1 && all[k - 1] == 1) return "";
    String least = String.format(Locale.ROOT, " × %.3g", all[0]);
    String most = String.format(Locale.ROOT, "%.3g", all[k - 1]);
    return least.endsWith(" " + most) ? least : least + " to " + most;
  }

  /** Its numbers for k units: values, caps, or the factor or summand of each. */
  default float[] values(int k) {
    float[] own =
        switch (this) {
          case Set(float[] values) -> values;
          case Cap(float[] values) -> values;
          case Scale(double factor) -> new float[] {(float) factor};
          case Add(double value) -> new float[] {(float) value};
          case Times part -> part.whole.values(k);
        };
    if (own.length == k) return own;
    float[] all = new float[k];
    Arrays.fill(all, own[0]);
    return all;
  }

  /**
   * How far activations move.
   *
   * @param active F32 [n,k]
   * @return new minus old, F32 [n,k] in the current scope
   */
  default Tensor moved(Tensor active) {
    return switch (this) {
      case Set(float[] values) -> active.mul(-1).addInPlace(Tensor.of(values, 1, values.length));
      case Cap(float[] values) -> {
        Tensor above = active.sub(Tensor.of(values, 1, values.length));
        yield active.sub(above.whereAboveZero(above)).subInPlace(active);
      }
      case Scale(double factor) -> active.mul(factor - 1);
      case Add(double value) -> active.mul(0).addInPlace(value);
      case Times(Rule whole, float[] strengths) ->
          whole.moved(active).mulInPlace(Tensor.of(strengths, 1, strengths.length));
    };
  }

  /** The rule in words, with every number that it depends on. */
  default String described() {
    return switch (this) {
      case Set(float[] values) -> "set " + Arrays.toString(values);
      case Cap(float[] values) -> "cap " + Arrays.toString(values);
      case Scale(double factor) -> "scale " + factor;
      case Add(double value) -> "add " + value;
      case Times(Rule whole, float[] strengths) ->
          whole.described() + " times " + Arrays.toString(strengths);
    };
  }
}
