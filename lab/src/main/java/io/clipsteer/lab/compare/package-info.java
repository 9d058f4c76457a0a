// SPDX-License-Identifier: Apache-2.0
/** SAE against SAE: which features of two dictionaries are the same. */
@NullMarked
package io.clipsteer.lab.compare;

import org.jspecify.annotations.NullMarked;
