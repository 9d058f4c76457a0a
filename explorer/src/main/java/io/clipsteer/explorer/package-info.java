// SPDX-License-Identifier: Apache-2.0
/** The local page on a run's features, and its HTTP API. */
@NullMarked
package io.clipsteer.explorer;

import org.jspecify.annotations.NullMarked;
