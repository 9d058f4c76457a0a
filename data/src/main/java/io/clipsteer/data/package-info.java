// SPDX-License-Identifier: Apache-2.0
/** What every module shares about files and values from outside. No native code. */
@NullMarked
package io.clipsteer.data;

import org.jspecify.annotations.NullMarked;
