// SPDX-License-Identifier: Apache-2.0
/** SAE files of seven tools. */
@NullMarked
package io.clipsteer.engine.sae.format;

import org.jspecify.annotations.NullMarked;
