// SPDX-License-Identifier: Apache-2.0
/**
 * Suppression: features that a model wrongly relies on, found, taken away, and the effect proved.
 */
@NullMarked
package io.clipsteer.lab.suppress;

import org.jspecify.annotations.NullMarked;
