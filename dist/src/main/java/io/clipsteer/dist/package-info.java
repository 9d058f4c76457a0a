// SPDX-License-Identifier: Apache-2.0
/** Makes the archives that a user unpacks; nothing of it is in them. */
@NullMarked
package io.clipsteer.dist;

import org.jspecify.annotations.NullMarked;
