// SPDX-License-Identifier: Apache-2.0
/** Sparsity, reconstruction and answers kept of a run's SAEs, and proofs of SAE files. */
@NullMarked
package io.clipsteer.lab.evaluate;

import org.jspecify.annotations.NullMarked;
