// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

/**
 * A word for a unit.
 *
 * @param unit which
 * @param method {@code decoder}, {@code images} or {@code both}
 * @param rank from 1
 * @param score cosine, −1 to 1
 * @param margin how much more than the next word's, at least 0
 */
record UnitName(int unit, String method, int rank, String word, double score, double margin) {}
