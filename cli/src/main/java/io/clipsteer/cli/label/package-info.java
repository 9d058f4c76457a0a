// SPDX-License-Identifier: Apache-2.0
/** {@code labels}: human evaluation of features. */
@NullMarked
package io.clipsteer.cli.label;

import org.jspecify.annotations.NullMarked;
