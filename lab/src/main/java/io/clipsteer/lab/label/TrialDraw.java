// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.label;

import io.clipsteer.lab.label.LabelPlan.TrialRole;
import io.clipsteer.lab.label.PlanMaker.PlanSettings;
import io.clipsteer.lab.label.SheetDraw.Drawn;
import io.clipsteer.lab.label.UnitDraw.DrawnUnits;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/** Draws the sheets of a human evaluation: main trials, catch trials, practice. */
final class TrialDraw {
  private static final int PRACTICES = 3;
  private static final double CAUGHT = 0.1;

  /** The unit that catch trials name, though they show none. */
  private static final int CAUGHT_UNIT = 0;

  /** A trial whose images are numbers yet; the unit's number counts the one for practice last. */
  record Sheet(LabelTask task, TrialRole role, int unit, List<Drawn> images) {}

  private TrialDraw() {}

  /**
   * All sheets.
   *
   * @param labelled whether every second 2AFC query of an inactive image gets the labels of the
   *     other query
   */
  static List<Sheet> sheets(
      DrawnUnits units, PlanSettings settings, boolean labelled, SplittableRandom random) {
    List<Sheet> all = new ArrayList<>();
    List<UnitDraw.Taken> study = units.study();
    for (int u = 0; u < study.size(); u++) {
      for (LabelTask task : settings.tasks()) {
        int count = task == LabelTask.NAMING ? 1 : settings.perFeature();
        for (int k = 0; k < count; k++) {
          List<Drawn> shown = drawn(study.get(u).draw(), task, u + k, labelled);
          all.add(new Sheet(task, TrialRole.MAIN, u, shown));
        }
      }
    }
    boolean afc = settings.tasks().contains(LabelTask.TWO_AFC);
    int caught = (int) Math.max(2, Math.round(CAUGHT * all.size()));
    for (int k = 0; k < caught; k++) {
      // Of images drawn at random: a unit's own images would tell what its other sheets ask.
      SheetDraw draw = SheetDraw.random(units.images(), random.split());
      LabelTask task = afc ? LabelTask.TWO_AFC : LabelTask.INTRUDER;
      List<Drawn> shown = afc ? draw.sameQueries() : draw.sameImage();
      all.add(new Sheet(task, TrialRole.CATCH, CAUGHT_UNIT, shown));
    }
    UnitDraw.Taken practice = units.practice();
    for (int k = 0; practice != null && k < PRACTICES; k++) {
      LabelTask task = settings.tasks().get(k % settings.tasks().size());
      List<Drawn> shown = drawn(practice.draw(), task, 0, false);
      all.add(new Sheet(task, TrialRole.PRACTICE, study.size(), shown));
    }
    return all;
  }

  private static List<Drawn> drawn(SheetDraw draw, LabelTask task, int k, boolean labelled) {
    return switch (task) {
      case NAMING -> draw.naming();
      case TWO_AFC -> draw.twoAfc(labelled && k % 2 == 1);
      case INTRUDER -> draw.intruder(1 + k % 10);
      case VERIFICATION -> draw.verification();
    };
  }
}
