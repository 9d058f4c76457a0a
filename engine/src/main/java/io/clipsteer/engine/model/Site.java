// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

/** Where in a block a value is read or changed. */
public enum Site {
  /** The residual stream after the block. */
  RESID_POST("hook_resid_post"),
  /** What the block's MLP adds to the residual stream. */
  MLP_OUT("hook_mlp_out");

  private final String peerName;

  Site(String peerName) {
    this.peerName = peerName;
  }

  /** The name that ViT-Prisma, SAELens and TransformerLens use. */
  public String peerName() {
    return peerName;
  }

  @Override
  public String toString() {
    return peerName;
  }
}
