// SPDX-License-Identifier: Apache-2.0
/** Planted cues: how far suppression reduces a probe's reliance on them. */
@NullMarked
package io.clipsteer.lab.cue;

import org.jspecify.annotations.NullMarked;
