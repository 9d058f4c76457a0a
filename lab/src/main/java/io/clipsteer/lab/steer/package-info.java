// SPDX-License-Identifier: Apache-2.0
/** Steering, and how far units steer: steerability of features, neurons, random directions. */
@NullMarked
package io.clipsteer.lab.steer;

import org.jspecify.annotations.NullMarked;
