// SPDX-License-Identifier: Apache-2.0
/** A planted cue, and how much of the reliance on it suppression removes. */
@NullMarked
package io.clipsteer.lab.cue;

import org.jspecify.annotations.NullMarked;
