// SPDX-License-Identifier: Apache-2.0
/** Data sets for suppression: groups, prompts, splits, attacks. */
@NullMarked
package io.clipsteer.lab.study;

import org.jspecify.annotations.NullMarked;
