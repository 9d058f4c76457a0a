// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

import io.clipsteer.lab.run.StatePort;

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
record TopImage(int image, float max, float mean, int patch, short[] patches, float[] activations) {
  /** Is read into. */
  static final TopImage NONE = new TopImage(0, 0, 0, -1, new short[0], new float[0]);

  /** The same image, so many numbers later. */
  TopImage behind(int offset) {
    return new TopImage(image + offset, max, mean, patch, patches, activations);
  }

  /** Moves an image to a stream, or one from it, which is returned. */
  static TopImage move(StatePort port, TopImage one) {
    int[] numbers = {one.image, one.patch};
    float[] scores = {one.max, one.mean};
    port.ints(numbers);
    port.floats(scores);
    int count = port.length(one.patches.length, Short.MAX_VALUE);
    int[] patches = new int[count];
    float[] activations = port.isReading() ? new float[count] : one.activations;
    for (int i = 0; i < one.patches.length; i++) patches[i] = one.patches[i];
    port.ints(patches);
    port.floats(activations);
    short[] narrow = new short[count];
    for (int i = 0; i < count; i++) narrow[i] = (short) patches[i];
    return new TopImage(numbers[0], scores[0], scores[1], numbers[1], narrow, activations);
  }
}
