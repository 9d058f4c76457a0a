// SPDX-License-Identifier: Apache-2.0
/** A CLIP that is trained from nothing: both towers, the contrastive loss, AdamW. */
@NullMarked
package io.clipsteer.engine.pretrain;

import org.jspecify.annotations.NullMarked;
