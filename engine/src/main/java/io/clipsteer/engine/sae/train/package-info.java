// SPDX-License-Identifier: Apache-2.0
/** A training step of an SAE: variants, gradients, dead features. */
@NullMarked
package io.clipsteer.engine.sae.train;

import org.jspecify.annotations.NullMarked;
