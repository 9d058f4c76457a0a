// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.model;

/** How a vision tower's tokens become one vector. */
public enum Pooling {
  /** The class token, normed. */
  CLS,
  /** The mean of class and distillation token, normed (distilled DeiT). */
  CLS_AND_DISTILLATION,
  /** All tokens normed, then the patches' mean. */
  MEAN_OF_NORMED_PATCHES,
  /** The patches' mean, then normed (timm's {@code fc_norm}). */
  NORM_OF_MEAN_PATCH,
  /** All tokens normed, then {@link AttentionPool}. */
  ATTENTION
}
