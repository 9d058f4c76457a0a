// SPDX-License-Identifier: Apache-2.0
/** Activations on disk: harvested once, read in any order. */
@NullMarked
package io.clipsteer.data.store;

import org.jspecify.annotations.NullMarked;
