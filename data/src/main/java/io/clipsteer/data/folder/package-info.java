// SPDX-License-Identifier: Apache-2.0
/**
 * Files that appear whole, folders that are locked, started and finished, and the manifest in each.
 */
@NullMarked
package io.clipsteer.data.folder;

import org.jspecify.annotations.NullMarked;
