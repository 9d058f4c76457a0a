// SPDX-License-Identifier: Apache-2.0
/** Linear heads on frozen features. */
@NullMarked
package io.clipsteer.lab.probe;

import org.jspecify.annotations.NullMarked;
