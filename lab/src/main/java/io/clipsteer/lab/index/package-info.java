// SPDX-License-Identifier: Apache-2.0
/** The index of a run's features: one pass over images, tables, names, search. */
@NullMarked
package io.clipsteer.lab.index;

import org.jspecify.annotations.NullMarked;
