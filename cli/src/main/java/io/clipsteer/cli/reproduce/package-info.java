// SPDX-License-Identifier: Apache-2.0
/** Recipes of papers, the sets that they need, and what they cost. */
@NullMarked
package io.clipsteer.cli.reproduce;

import org.jspecify.annotations.NullMarked;
