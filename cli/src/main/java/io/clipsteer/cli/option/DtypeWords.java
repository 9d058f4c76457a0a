// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.option;

import java.util.Iterator;
import java.util.List;

/** The words of an option that names an arithmetic, for the shells' completions. */
public final class DtypeWords implements Iterable<String> {
  @Override
  public Iterator<String> iterator() {
    return List.of("fp32", "bf16").iterator();
  }
}
