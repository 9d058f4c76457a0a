// SPDX-License-Identifier: Apache-2.0
/** What is known of every feature of a run: one pass over images, tables, names, search. */
@NullMarked
package io.clipsteer.lab.index;

import org.jspecify.annotations.NullMarked;
