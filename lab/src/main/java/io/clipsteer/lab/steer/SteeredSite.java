// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import io.clipsteer.data.InputException;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.edit.Edit;
import io.clipsteer.engine.edit.EditSite;
import io.clipsteer.engine.edit.EncodedTokens;
import io.clipsteer.engine.edit.Rule;
import io.clipsteer.engine.model.ResidualEdit;
import io.clipsteer.engine.sae.Sae;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * Features, neurons and random directions of one site that change at once, each by its activation
 * before the edit. Random directions have the mean length of the SAE's decoder rows and activation
 * 0.
 */
public final class SteeredSite {
  private final EditSite site;
  private final Sae sae;
  private final UnitNumbers units;
  private final boolean splice;
  private final boolean raw;
  private final UnitStrengths strengths;
  private final List<Edit.Target> targets = new ArrayList<>();

  /**
   * Checks the numbers.
   *
   * @param sae whose features; its σ is the unit of features and random directions
   * @param raw whether their unit is that of the residual instead
   * @param splice whether the SAE's reconstruction replaces the residual first, without its error
   * @param strengths of the units
   * @throws io.clipsteer.data.InputException when the SAE or the residual has no such unit
   */
  public SteeredSite(
      EditSite site,
      Sae sae,
      UnitNumbers units,
      boolean raw,
      boolean splice,
      UnitStrengths strengths) {
    this.site = site;
    this.raw = raw;
    this.strengths = strengths;
    this.sae = sae;
    this.units = units;
    this.splice = splice;
    int d = sae.width();
    if (!units.features().isEmpty()) {
      targets.add(new Edit.Features(sae, ints(units.features()), raw));
    }
    if (!units.neurons().isEmpty()) targets.add(new Edit.Neurons(d, ints(units.neurons())));
    for (int seed : units.randoms()) {
      float[] direction =
          SteeredUnits.RandomUnits.direction(seed, 0, d, SteeredUnits.decoderLength(sae));
      targets.add(new Edit.Direction(direction, new float[d], raw ? null : sae));
    }
  }

  private static int[] ints(List<Integer> numbers) {
    return numbers.stream().mapToInt(Integer::intValue).toArray();
  }

  public EditSite site() {
    return site;
  }

  public UnitNumbers units() {
    return units;
  }

  Sae sae() {
    return sae;
  }

  boolean splice() {
    return splice;
  }

  /**
   * The activations that a strength means: of the features, the neurons, the random directions.
   *
   * @throws InputException when the index does not hold a unit's own activations
   */
  public List<Float> values(Strength strength) {
    if (raw && strength.isOwn()) {
      throw new InputException(
          "--raw", strength + " is in units of the normalised residual", "Omit --raw");
    }
    List<Float> values = new ArrayList<>();
    for (float value : strengths.features(strength, units.features())) values.add(value);
    for (float value : strengths.neurons(strength, units.neurons())) values.add(value);
    for (int k = 0; k < units.randoms().size(); k++) values.add(strengths.random(strength));
    return values;
  }

  /** The rule of every target. */
  private List<Rule> rules(UnitRule rule) {
    List<Rule> rules = new ArrayList<>();
    for (TargetValues one : values(values(rule.strength()))) {
      boolean features = one.target instanceof Edit.Features;
      rules.add(features ? rule.ofFeatures(one.values) : rule(one.target, rule.of(one.values)));
    }
    return rules;
  }

  private record TargetValues(Edit.Target target, float[] values) {}

  /** Values of all units, by target. */
  private List<TargetValues> values(List<Float> all) {
    List<TargetValues> values = new ArrayList<>();
    int from = 0;
    for (Edit.Target target : targets) {
      float[] own = new float[target.count()];
      for (int k = 0; k < own.length; k++) own[k] = all.get(from + k);
      from += own.length;
      values.add(new TargetValues(target, own));
    }
    return values;
  }

  /**
   * The rules that set every unit to an activation of its own.
   *
   * @param wanted strengths of the features, the neurons, the random directions
   */
  private List<Rule> rules(List<Strength> wanted) {
    List<Float> values = new ArrayList<>();
    int at = 0;
    for (int id : units.features()) {
      values.add(strengths.features(wanted.get(at++), List.of(id))[0]);
    }
    for (int id : units.neurons()) {
      values.add(strengths.neurons(wanted.get(at++), List.of(id))[0]);
    }
    for (int k = 0; k < units.randoms().size(); k++) {
      values.add(strengths.random(wanted.get(at++)));
    }
    List<Rule> rules = new ArrayList<>();
    for (TargetValues one : values(values)) rules.add(rule(one.target, new Rule.Set(one.values)));
    return rules;
  }

  /**
   * The edit that sets every unit to an activation of its own.
   *
   * @param wanted strengths of the features, the neurons, the random directions
   */
  public ResidualEdit setTo(List<Strength> wanted) {
    return edit(rules(wanted));
  }

  /**
   * What {@link #setTo} adds to tokens, F32 [n,d] in the current scope.
   *
   * @param tokens any tokens of the residual, encoded by this site's SAE
   */
  public Tensor added(EncodedTokens tokens, List<Strength> wanted) {
    return sum(tokens, rules(wanted));
  }

  /** Moves every token along one random direction, as far as {@link #setTo} moves it. */
  public ResidualEdit noise(List<Strength> wanted, long seed) {
    List<Rule> rules = rules(wanted);
    return (point, residual) -> {
      try (Scope scope = Scope.open()) {
        var tokens = new EncodedTokens(residual, site, List.of(sae));
        Tensor direction = Tensor.normal(new SplittableRandom(seed), 1, 1, sae.width()).unit();
        return scope.keep(tokens.plus(sum(tokens, rules).norm(1).matmul(direction)));
      }
    };
  }

  /**
   * The edit of all units at once.
   *
   * @param rule their new activations; null keeps the old ones, so that only a splice remains
   */
  public ResidualEdit edit(@Nullable UnitRule rule) {
    return edit(rule == null ? List.of() : rules(rule));
  }

  private ResidualEdit edit(List<Rule> rules) {
    return (point, residual) -> {
      try (Scope scope = Scope.open()) {
        var tokens = new EncodedTokens(residual, site, List.of(sae));
        return scope.keep(tokens.plus(sum(tokens, rules)));
      }
    };
  }

  private Tensor sum(EncodedTokens tokens, List<Rule> rules) {
    try (Scope scope = Scope.open()) {
      Tensor sum =
          splice ? sae.decode(tokens.encoded(sae)).sub(tokens.rows()) : tokens.rows().mul(0);
      for (int k = 0; k < rules.size(); k++) {
        sum = sum.add(new Edit(site, targets.get(k), rules.get(k)).added(tokens));
      }
      return scope.keep(sum);
    }
  }

  /** To set a direction whose activation is 0 is to add to it. */
  private static Rule rule(Edit.Target target, Rule rule) {
    boolean random = target instanceof Edit.Direction;
    return random && rule instanceof Rule.Set set ? new Rule.Add(set.values()[0]) : rule;
  }
}
