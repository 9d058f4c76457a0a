// SPDX-License-Identifier: Apache-2.0
/** Images and their labels: folders, archives, tables, groups; listed, joined and loaded. */
@NullMarked
package io.clipsteer.data.imageset;

import org.jspecify.annotations.NullMarked;
