// SPDX-License-Identifier: Apache-2.0
/** How well features can be understood: judgements of people, and machine proxies of them. */
@NullMarked
package io.clipsteer.lab.label;

import org.jspecify.annotations.NullMarked;
