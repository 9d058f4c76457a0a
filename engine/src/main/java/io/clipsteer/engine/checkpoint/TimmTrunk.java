// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.checkpoint;

import io.clipsteer.engine.model.AttentionPool;
import io.clipsteer.engine.model.PatchGrid;
import io.clipsteer.engine.model.Pooling;
import io.clipsteer.engine.model.TowerShape;
import org.jspecify.annotations.Nullable;

/** The arguments of one of timm's classes, and the names of its tensors. */
sealed interface TimmTrunk permits TimmShape, TimmEva {
  /** Shape of the blocks. */
  TowerShape blocks();

  /** How the input is cut. */
  PatchGrid patches();

  /** Pooling as timm calls it. */
  String pool();

  /** Whether a class token precedes the other tokens. */
  boolean classToken();

  /** Whether a distillation token follows the class token. */
  boolean distilled();

  /** Number of registers. */
  int registers();

  /** Whether prefix tokens have no positions. */
  boolean patchesOnly();

  /** Whether patches have learned positions. */
  boolean positions();

  /** Whether a norm precedes the blocks, and patches have no bias. */
  boolean preNorm();

  /** Name of the last norm without prefix, or null. */
  @Nullable String finalNorm();

  /** What a pooling of timm's is here. */
  Pooling pooling(String name, Object where);

  /** Attention pooling's weights. */
  AttentionPool attentionPool(WeightSource weights, String p);

  /** Names of a block's tensors; {@code p} is the trunk's prefix. */
  BlockNames names(String p);

  /** Refuses weights with a part that the arguments exclude, or without one that they name. */
  void requireFit(WeightSource weights, String p);

  /** d of the residual stream. */
  default int width() {
    return blocks().width();
  }

  /** Tokens before the patches. */
  default int prefix() {
    return (classToken() ? 1 : 0) + (distilled() ? 1 : 0) + registers();
  }
}
