// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import java.util.List;
import picocli.CommandLine.Option;

/** How masks are read. */
public final class MaskOptions {
  @Option(
      names = "--ignore",
      split = ",",
      paramLabel = "V",
      description = "Mask values of pixels without a class (default: 255, for ade20k 0).")
  private List<Integer> values = List.of();

  /** Values of pixels without a class. */
  public List<Integer> ignored() {
    for (int value : values) CommonOptions.within("--ignore", value, 0, 255);
    return values;
  }
}
