// SPDX-License-Identifier: Apache-2.0
/** The demo world: generated pictures whose every factor is known, and the CLIP trained on them. */
@NullMarked
package io.clipsteer.lab.world;

import org.jspecify.annotations.NullMarked;
