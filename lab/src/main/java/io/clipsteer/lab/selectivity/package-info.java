// SPDX-License-Identifier: Apache-2.0
/** Whether a feature's edit changes one class and leaves the others: target and other change. */
@NullMarked
package io.clipsteer.lab.selectivity;

import org.jspecify.annotations.NullMarked;
