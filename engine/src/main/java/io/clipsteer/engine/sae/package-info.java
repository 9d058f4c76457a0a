// SPDX-License-Identifier: Apache-2.0
/** Sparse autoencoders: inference, training, edits of their features, files. */
@NullMarked
package io.clipsteer.engine.sae;

import org.jspecify.annotations.NullMarked;
