// SPDX-License-Identifier: Apache-2.0
/** Benchmarks and side-by-side runs against peers. */
@NullMarked
package io.clipsteer.bench;

import org.jspecify.annotations.NullMarked;
