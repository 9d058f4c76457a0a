// SPDX-License-Identifier: Apache-2.0
/** Typographic attacks: wrong words written on pictures of one's own. */
@NullMarked
package io.clipsteer.lab.attack;

import org.jspecify.annotations.NullMarked;
