// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

/**
 * An image among a unit's strongest.
 *
 * @param image its number in the pass, from 0
 * @param max largest activation of its tokens
 * @param mean activation over its tokens
 * @param patch where among the patches it is largest; −1 when no patch is active
 * @param patches the active patches, rising
 * @param activations on these
 */
record TopImage(
    int image, float max, float mean, int patch, short[] patches, float[] activations) {}
