// SPDX-License-Identifier: Apache-2.0
/** Commands on how well people, or a judge in their place, understand features. */
@NullMarked
package io.clipsteer.cli.label;

import org.jspecify.annotations.NullMarked;
