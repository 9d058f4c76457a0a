// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import io.clipsteer.lab.study.TargetPrompts;

/**
 * How Defense-Prefix is learnt.
 *
 * @param prompts of the targets
 * @param steps at least 1
 */
public record PrefixSettings(TargetPrompts prompts, int steps) {
  /** About the number of steps of the authors' ten epochs at this program's batch size. */
  public static final int STEPS = 2500;
}
