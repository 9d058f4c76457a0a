// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.explorer;

import io.clipsteer.data.InputException;
import io.clipsteer.engine.edit.EditSite;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.ResidualEdit;
import io.clipsteer.engine.model.TokenMask;
import io.clipsteer.lab.index.IndexFolder;
import io.clipsteer.lab.run.RunSaes;
import io.clipsteer.lab.steer.SteeredSite;
import io.clipsteer.lab.steer.Strength;
import io.clipsteer.lab.steer.UnitNumbers;
import io.clipsteer.lab.steer.UnitStrengths;
import java.util.ArrayList;
import java.util.List;
import java.util.NavigableMap;
import java.util.Objects;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** The page's edit as edits of hook points. For one thread: what strengths mean is read once. */
final class EditedSites {
  /**
   * The units of one SAE, and their strengths in the order in which a site takes them.
   *
   * @param sae its number
   * @param tokens that are edited
   */
  record SiteEdit(int sae, TokenMask tokens, SteeredSite site, List<Strength> strengths) {
    ResidualEdit edit() {
      return site.setTo(strengths);
    }

    /** Moves each token as far, in a random direction. */
    ResidualEdit noise(long seed) {
      return site.noise(strengths, seed);
    }
  }

  private final ExploredRun run;
  private final List<UnitStrengths> strengths;

  EditedSites(ExploredRun run) {
    this.run = run;
    IndexFolder index = IndexFolder.of(run.folder());
    strengths =
        run.saes().all().stream()
            .map(one -> new UnitStrengths(index, run.folder().path(), one.entry()))
            .toList();
  }

  /** Reads what strengths mean for an SAE's units, which would else be read by its first slider. */
  void warm(int sae) {
    strengths.get(sae).random(Strength.times(1));
  }

  private int prefix() {
    return run.model().vision().config().prefixTokens();
  }

  /** By hook point; empty where nothing is edited. */
  NavigableMap<HookPoint, SiteEdit> of(PageEdit edit) {
    NavigableMap<HookPoint, SiteEdit> sites = new TreeMap<>();
    String tokens = Objects.requireNonNullElse(edit.tokens(), "all");
    requireInGrid(Objects.requireNonNullElse(edit.patches(), List.of()));
    if (tokens.equals("selected")) {
      tokens =
          Objects.requireNonNullElse(edit.patches(), List.<Integer>of()).stream()
              .map(patch -> String.valueOf(prefix() + patch))
              .collect(Collectors.joining(","));
      if (tokens.isEmpty()) return sites;
    }
    TokenMask mask = new TokenMask(tokens);
    Objects.requireNonNullElse(edit.units(), List.<PageEdit.EditedUnit>of()).stream()
        .collect(Collectors.groupingBy(PageEdit.EditedUnit::sae, TreeMap::new, Collectors.toList()))
        .forEach(
            (number, units) -> {
              if (number < 0 || number >= run.saes().all().size()) {
                throw new InputException("SAE " + number, "is not there", "Reload the page");
              }
              HookPoint point = run.saes().all().get(number).point();
              if (sites.put(point, site(number, units, mask)) == null) return;
              throw new InputException(
                  point, "is edited through two SAEs", "Take units of one of them");
            });
    return sites;
  }

  private void requireInGrid(List<Integer> patches) {
    var shape = run.shape();
    int patch = run.model().vision().config().patch();
    int all = shape.height() / patch * (shape.width() / patch);
    for (int one : patches) {
      if (one >= 0 && one < all) continue;
      throw new InputException("patch " + one, "there are 0 to " + (all - 1), "Name one of them");
    }
  }

  private SiteEdit site(int number, List<PageEdit.EditedUnit> units, TokenMask mask) {
    RunSaes.One one = run.saes().all().get(number);
    List<Strength> wanted = new ArrayList<>();
    List<Integer> features = ids(units, PageEdit.EditedKind.FEATURE, wanted);
    List<Integer> neurons = ids(units, PageEdit.EditedKind.NEURON, wanted);
    List<Integer> randoms = ids(units, PageEdit.EditedKind.RANDOM, wanted);
    var numbers = new UnitNumbers(features, neurons, randoms);
    EditSite at = new EditSite(one.point(), mask, prefix());
    var site = new SteeredSite(at, one.sae(), numbers, false, false, strengths.get(number));
    return new SiteEdit(number, mask, site, wanted);
  }

  /** Numbers of the units of a kind; their strengths are added to those wanted. */
  private static List<Integer> ids(
      List<PageEdit.EditedUnit> units, PageEdit.EditedKind kind, List<Strength> wanted) {
    List<Integer> ids = new ArrayList<>();
    for (PageEdit.EditedUnit unit : units) {
      if (unit.edited() != kind) continue;
      if (ids.contains(unit.id())) {
        throw new InputException(
            unit.kind() + " " + unit.id(), "is in the edit twice", "Remove one");
      }
      ids.add(unit.id());
      wanted.add(unit.strength());
    }
    return ids;
  }
}
