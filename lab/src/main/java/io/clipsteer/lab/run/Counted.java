// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.run;

import java.util.Locale;

/** Numbers of things, for people: {@code 1 image}, {@code 1,200 images}. */
public final class Counted {
  private Counted() {}

  /**
   * With a plural in -s.
   *
   * @param one of them, in the singular
   */
  public static String of(long n, String one) {
    return of(n, one, one + "s");
  }

  /** With a plural of its own. */
  public static String of(long n, String one, String many) {
    return String.format(Locale.ROOT, "%,d %s", n, n == 1 ? one : many);
  }
}
