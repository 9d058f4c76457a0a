// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import io.clipsteer.data.tensor.DType;
import picocli.CommandLine.Option;

/** {@code --dtype}, the arithmetic of a tower. */
public final class TowerDtype {
  @Option(
      names = "--dtype",
      defaultValue = "fp32",
      paramLabel = "DTYPE",
      completionCandidates = DtypeWords.class,
      description = "Arithmetic of the tower: fp32 or bf16.")
  private DType dtype;

  public DType get() {
    return dtype;
  }
}
