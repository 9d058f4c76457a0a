// SPDX-License-Identifier: Apache-2.0
/** Edits of the residual stream by features. */
@NullMarked
package io.clipsteer.engine.edit;

import org.jspecify.annotations.NullMarked;
