// SPDX-License-Identifier: Apache-2.0
/** The science: zero-shot answers, harvesting, training runs, steering. */
@NullMarked
package io.clipsteer.lab;

import org.jspecify.annotations.NullMarked;
