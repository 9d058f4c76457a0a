// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.dist;

import java.util.List;
import java.util.Set;
import java.util.spi.ToolProvider;

/**
 * jlink in a JVM whose sets of two have a known order. The classes that jlink writes of the modules
 * follow the order of such a set, and each JVM draws that order anew: of two builds one in two
 * would have other bytes.
 */
public final class Jlink {
  /** Exit code of a JVM with the other order: nothing was written, another one is to try. */
  static final int OTHER_ORDER = 64;

  private Jlink() {}

  /** Runs jlink with its own arguments. */
  public static void main(String[] args) {
    if (!List.copyOf(Set.of("a", "b")).equals(List.of("a", "b"))) System.exit(OTHER_ORDER);
    ToolProvider jlink = ToolProvider.findFirst("jlink").orElseThrow();
    System.exit(jlink.run(System.out, System.err, args));
  }
}
