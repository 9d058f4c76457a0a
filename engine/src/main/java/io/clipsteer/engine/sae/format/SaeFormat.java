// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae.format;

import java.util.Locale;

/** Who wrote an SAE's files. */
public enum SaeFormat {
  /** A folder with {@code cfg.json} and {@code sae_weights.safetensors}; also our own. */
  SAELENS,
  /** ViT-Prisma: {@code config.json} beside a {@code .pt}, or a {@code .pt} with both. */
  PRISMA,
  /** saev: one {@code .pt} that begins with a line of JSON. */
  SAEV,
  /** dictionary_learning and sae-for-vlm: {@code ae.pt} and {@code config.json}. */
  DICTIONARY_LEARNING,
  /** sparsify: {@code cfg.json} and {@code sae.safetensors}. */
  SPARSIFY,
  /** OpenAI's sparse_autoencoder: one {@code .pt}. Read, not written. */
  OPENAI,
  /** PatchSAE: one {@code .pt} with configuration and state. Read, not written. */
  PATCHSAE;

  /** The name on the command line: {@code dictionary_learning}. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** Whether SAEs can be written in it. */
  public boolean isWritten() {
    return this != OPENAI && this != PATCHSAE;
  }
}
