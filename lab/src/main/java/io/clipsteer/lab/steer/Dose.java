// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import java.util.List;

/**
 * How a feature's word answers to the strength it is set to, and how far from real residuals that
 * leads.
 *
 * @param unit the feature
 * @param word row of the word that is promoted most at full strength
 * @param half strength at which the word's mean change first is half of that at full strength, by
 *     straight lines between the points
 * @param points by rising strength
 */
public record Dose(int unit, int word, double half, List<Point> points) {
  /**
   * One strength.
   *
   * @param strength what the feature is set to
   * @param change mean change of the word's probability
   * @param low lower end of its 95 % interval over images
   * @param high upper end
   * @param norm length of an edited token beside that of the same unedited, on average
   * @param nearest distance of edited tokens to the nearest real one, divided by that of the same
   *     tokens unedited; 0 where real tokens coincide
   */
  public record Point(
      double strength, double change, double low, double high, double norm, double nearest) {}

  public Dose {
    points = List.copyOf(points);
  }

  /** With {@code half} found in the points. */
  static Dose of(int unit, int word, List<Point> points) {
    double wanted = points.getLast().change() / 2;
    double half = points.getLast().strength();
    for (int k = 0; k < points.size(); k++) {
      Point here = points.get(k);
      if (here.change() < wanted) continue;
      half = here.strength();
      if (k > 0) {
        Point before = points.get(k - 1);
        double part = (wanted - before.change()) / (here.change() - before.change());
        half = before.strength() + part * (here.strength() - before.strength());
      }
      break;
    }
    return new Dose(unit, word, half, points);
  }
}
