// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.label;

import com.fasterxml.jackson.annotation.JsonValue;

/** What an annotator has to do. */
public enum LabelTask {
  /** Sixteen images, half the strongest, half from the other deciles: one idea, several, none. */
  NAMING("naming", 0, 45),
  /** Nine images on which the unit is most active, nine on which it is not: which query fits? */
  TWO_AFC("2afc", 1 / 2.0, 12),
  /** Four images of one decile and one on which the unit is not active: which is it? */
  INTRUDER("intruder", 1 / 5.0, 8),
  /** A name and ten images, five of which activate the unit: which? */
  VERIFICATION("verification", 1 / 2.0, 20);

  private final String word;
  private final double chance;
  private final int seconds;

  LabelTask(String word, double chance, int seconds) {
    this.word = word;
    this.chance = chance;
    this.seconds = seconds;
  }

  /** The name on the command line and in files. */
  @JsonValue
  public String word() {
    return word;
  }

  /** The accuracy of an annotator who answers at random; 0 where no answer is right. */
  public double chance() {
    return chance;
  }

  /** Seconds that a trial is estimated to take. */
  public int seconds() {
    return seconds;
  }

  @Override
  public String toString() {
    return word;
  }
}
