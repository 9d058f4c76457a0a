// SPDX-License-Identifier: Apache-2.0

/** Kernels for the CPU. Exported are the packages with a type marked {@code @API}. */
open module io.clipsteer.kernels {
  requires jdk.incubator.vector;
  requires static org.jspecify;

  exports io.clipsteer.kernels to
      io.clipsteer.engine;
}
