// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import io.clipsteer.lab.run.RunFolder;
import io.clipsteer.lab.run.RunSaes;
import java.util.ArrayList;
import java.util.List;

/**
 * What is measured at a time: the units of one kind at an SAE's hook point, at one strength.
 *
 * @param tag begins the names of files
 */
record UnitTask(String tag, RunSaes.One one, SteeredUnits.UnitKind kind, Strength set) {
  private static final int CLOSED_UNITS = 4096;
  private static final int CONTINUED_UNITS = 64;

  /** Units from which the width of the intervals is forecast. */
  private static final int PILOT = 64;

  /**
   * Units that are measured together and stored in one file.
   *
   * @param from the first
   */
  record UnitPart(UnitTask task, int from, int count) {}

  /** The SAE's name, or the hook point's for units that belong to no SAE. */
  String place() {
    return isFeatures() ? RunFolder.name(one.entry().folder()) : one.point().peerName();
  }

  /** Of its files. */
  String name() {
    return tag + place() + "." + kind.word() + "." + set;
  }

  boolean isFeatures() {
    return kind == SteeredUnits.UnitKind.FEATURES;
  }

  /** The pilot's units: the first part. */
  static int pilot(int units) {
    return Math.min(PILOT, units);
  }

  /**
   * Cuts units into parts, whoever measures them.
   *
   * @param units from the first on
   * @param closed whether the answers have a closed form
   */
  List<UnitPart> parts(int units, boolean closed) {
    int step = closed ? CLOSED_UNITS : CONTINUED_UNITS;
    List<UnitPart> parts = new ArrayList<>();
    for (int from = 0; from < units; ) {
      int count = Math.min(from == 0 ? PILOT : step, units - from);
      parts.add(new UnitPart(this, from, count));
      from += count;
    }
    return parts;
  }
}
