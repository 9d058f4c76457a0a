// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.suppress;

import io.clipsteer.lab.study.Wording;

/**
 * How Defense-Prefix is learnt.
 *
 * @param wording how names become texts
 * @param steps at least 1; {@link #STEPS}, or fewer for a look
 */
public record PrefixSettings(Wording wording, int steps) {
  /** As many as its authors' ten epochs come to, roughly, on this program's batches. */
  public static final int STEPS = 2500;
}
