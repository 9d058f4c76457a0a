// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

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
  private final List<Edit.Target> targets = new ArrayList<>();

  /**
   * Checks the numbers.
   *
   * @param sae whose features; its σ is the unit of features and random directions
   * @param raw whether their unit is that of the residual instead
   * @param splice whether the SAE's reconstruction replaces the residual first, without its error
   * @throws io.clipsteer.data.InputException when the SAE or the residual has no such unit
   */
  public SteeredSite(EditSite site, Sae sae, UnitNumbers units, boolean raw, boolean splice) {
    this.site = site;
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
   * The edit of all units at once.
   *
   * @param rule what becomes of their activations; null leaves them, so that only a splice remains
   */
  public ResidualEdit edit(@Nullable Rule rule) {
    return (point, residual) -> {
      try (Scope scope = Scope.open()) {
        var tokens = new EncodedTokens(residual, site, List.of(sae));
        Tensor sum =
            splice ? sae.decode(tokens.encoded(sae)).sub(tokens.rows()) : tokens.rows().mul(0);
        for (Edit.Target target : rule == null ? List.<Edit.Target>of() : targets) {
          sum = sum.add(new Edit(site, target, rule(target, rule)).added(tokens));
        }
        return scope.keep(tokens.plus(sum));
      }
    };
  }

  /** To set a direction whose activation is 0 is to add to it. */
  private static Rule rule(Edit.Target target, Rule rule) {
    boolean random = target instanceof Edit.Direction;
    return random && rule instanceof Rule.Set set ? new Rule.Add(set.values()[0]) : rule;
  }
}
