// SPDX-License-Identifier: Apache-2.0
/**
 * Checkpoints of other libraries: who wrote them, what their fields mean, their weights, tokenizers
 * and golden values.
 */
@NullMarked
package io.clipsteer.engine.checkpoint;

import org.jspecify.annotations.NullMarked;
