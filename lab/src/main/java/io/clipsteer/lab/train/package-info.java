// SPDX-License-Identifier: Apache-2.0
/** Activations harvested and stored, and SAEs trained on them. */
@NullMarked
package io.clipsteer.lab.train;

import org.jspecify.annotations.NullMarked;
