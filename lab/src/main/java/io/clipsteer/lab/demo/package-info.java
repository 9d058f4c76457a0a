// SPDX-License-Identifier: Apache-2.0
/** The demo CLIP: pretraining on the world, and its evaluation. */
@NullMarked
package io.clipsteer.lab.demo;

import org.jspecify.annotations.NullMarked;
