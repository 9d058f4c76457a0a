// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

/**
 * One of a unit's top images.
 *
 * @param image its number in the pass, from 0
 * @param max largest activation of its tokens
 * @param mean activation over its tokens
 * @param patch patch of the largest activation; −1 when no patch is active
 * @param patches the active patches, ascending
 * @param activations of these
 */
record TopImage(
    int image, float max, float mean, int patch, short[] patches, float[] activations) {}
