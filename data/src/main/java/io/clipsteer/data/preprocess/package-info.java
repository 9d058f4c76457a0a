// SPDX-License-Identifier: Apache-2.0
/** From an image to a model's input, as the Python tools compute it. */
@NullMarked
package io.clipsteer.data.preprocess;

import org.jspecify.annotations.NullMarked;
