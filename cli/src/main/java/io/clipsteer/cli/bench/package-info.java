// SPDX-License-Identifier: Apache-2.0
/** Commands that measure speed. */
@NullMarked
package io.clipsteer.cli.bench;

import org.jspecify.annotations.NullMarked;
