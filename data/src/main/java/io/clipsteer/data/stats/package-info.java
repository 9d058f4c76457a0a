// SPDX-License-Identifier: Apache-2.0
/** Intervals and exact tests. */
@NullMarked
package io.clipsteer.data.stats;

import org.jspecify.annotations.NullMarked;
