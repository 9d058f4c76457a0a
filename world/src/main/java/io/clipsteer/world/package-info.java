// SPDX-License-Identifier: Apache-2.0
/** The demo world: factors, pixels and captions from a seed and a number. */
@NullMarked
package io.clipsteer.world;

import org.jspecify.annotations.NullMarked;
