// SPDX-License-Identifier: Apache-2.0
/** What people say about features: agreement of annotators, and intervals over features. */
@NullMarked
package io.clipsteer.lab.label;

import org.jspecify.annotations.NullMarked;
