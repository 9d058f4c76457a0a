// SPDX-License-Identifier: Apache-2.0
/** Work over images that is cut into blocks, so that many processes can share it. */
@NullMarked
package io.clipsteer.lab.block;

import org.jspecify.annotations.NullMarked;
