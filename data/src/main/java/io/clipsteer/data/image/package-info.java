// SPDX-License-Identifier: Apache-2.0
/** Images: decoding as PIL does it, exact resizing, preprocessing, image sets. */
@NullMarked
package io.clipsteer.data.image;

import org.jspecify.annotations.NullMarked;
