// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae.format;

import io.clipsteer.engine.sae.Sae;

/** An SAE from files, with what the files say about it. Closing it closes the SAE. */
public record StoredSae(Sae sae, SaeClaims claims) implements AutoCloseable {
  @Override
  public void close() {
    sae.close();
  }
}
