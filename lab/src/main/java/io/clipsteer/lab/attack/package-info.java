// SPDX-License-Identifier: Apache-2.0
/** Typographic attacks: wrong words written on a user's images. */
@NullMarked
package io.clipsteer.lab.attack;

import org.jspecify.annotations.NullMarked;
