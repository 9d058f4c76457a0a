// SPDX-License-Identifier: Apache-2.0
/** Tables that users write: CSV, TSV, and lists with blanks between their cells. */
@NullMarked
package io.clipsteer.data.table;

import org.jspecify.annotations.NullMarked;
