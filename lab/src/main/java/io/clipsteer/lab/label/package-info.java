// SPDX-License-Identifier: Apache-2.0
/** Human evaluation of features, and machines in the place of people. */
@NullMarked
package io.clipsteer.lab.label;

import org.jspecify.annotations.NullMarked;
