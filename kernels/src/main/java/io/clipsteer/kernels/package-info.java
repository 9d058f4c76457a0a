// SPDX-License-Identifier: Apache-2.0
/** The sparse half: loops over rows in the Vector API, each with a scalar reference. */
@NullMarked
package io.clipsteer.kernels;

import org.jspecify.annotations.NullMarked;
