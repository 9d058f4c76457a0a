// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab;

/** The program's own version. */
public final class Versions {
  /** Version of clipsteer. */
  public static final String CLIPSTEER = "0.1.0";

  private Versions() {}
}
