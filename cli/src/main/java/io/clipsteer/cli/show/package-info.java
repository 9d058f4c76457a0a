// SPDX-License-Identifier: Apache-2.0
/** Results as text and pages. */
@NullMarked
package io.clipsteer.cli.show;

import org.jspecify.annotations.NullMarked;
