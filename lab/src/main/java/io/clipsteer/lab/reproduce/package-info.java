// SPDX-License-Identifier: Apache-2.0
/** Published numbers of the papers beside ours. */
@NullMarked
package io.clipsteer.lab.reproduce;

import org.jspecify.annotations.NullMarked;
