// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import java.util.List;

/**
 * The dose-response of a feature: how the probability of its word changes with the strength it is
 * set to, and how far from real residuals that leads.
 *
 * @param unit the feature
 * @param word row of the word that is promoted most at full strength
 * @param half strength at which the word's mean change first is half of that at full strength,
 *     linearly interpolated between the points
 * @param points by rising strength
 */
public record Dose(int unit, int word, double half, List<DosePoint> points) {
  /**
   * One strength.
   *
   * @param strength the feature's activation, or its multiple of the feature's largest
   * @param change mean change of the word's probability
   * @param low lower end of its 95 % interval over images
   * @param high upper end
   * @param norm mean length of an edited token divided by that of the same token unedited
   * @param nearest distance of edited tokens to the nearest real one, divided by that of the same
   *     tokens unedited; 0 where real tokens coincide
   */
  public record DosePoint(
      double strength, double change, double low, double high, double norm, double nearest) {}

  public Dose {
    points = List.copyOf(points);
  }

  /** Finds {@code half} in the points. */
  static Dose of(int unit, int word, List<DosePoint> points) {
    double wanted = points.getLast().change() / 2;
    double half = points.getLast().strength();
    for (int k = 0; k < points.size(); k++) {
      DosePoint here = points.get(k);
      if (here.change() < wanted) continue;
      half = here.strength();
      if (k > 0) {
        DosePoint before = points.get(k - 1);
        double part = (wanted - before.change()) / (here.change() - before.change());
        half = before.strength() + part * (here.strength() - before.strength());
      }
      break;
    }
    return new Dose(unit, word, half, points);
  }
}
