// SPDX-License-Identifier: Apache-2.0
/** A training run's folder, its SAEs, and the images and towers that every study walks. */
@NullMarked
package io.clipsteer.lab.run;

import org.jspecify.annotations.NullMarked;
