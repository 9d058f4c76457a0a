// SPDX-License-Identifier: Apache-2.0
/** The main job on the demo world. */
@NullMarked
package io.clipsteer.lab.demo;

import org.jspecify.annotations.NullMarked;
