// SPDX-License-Identifier: Apache-2.0
/** An edit on one image: its answers and its map of classes before and after. */
@NullMarked
package io.clipsteer.lab.experiment;

import org.jspecify.annotations.NullMarked;
