// SPDX-License-Identifier: Apache-2.0
/**
 * Suppression: finds features that a model wrongly relies on, ablates them, measures the effect.
 */
@NullMarked
package io.clipsteer.lab.suppress;

import org.jspecify.annotations.NullMarked;
