// SPDX-License-Identifier: Apache-2.0
/** What a suppression is asked about: groups, prompts, splits, attacks. */
@NullMarked
package io.clipsteer.lab.study;

import org.jspecify.annotations.NullMarked;
