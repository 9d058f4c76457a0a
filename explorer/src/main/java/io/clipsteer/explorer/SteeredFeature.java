// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.explorer;

/**
 * What {@code steerability} measured of a feature, beside random directions of its layer.
 *
 * @param set that it was set to
 * @param images on which it was evaluated
 * @param s steerability, biased upwards by few images
 * @param unbiased steerability without that bias
 * @param low lower end of the 95 % interval of the unbiased one
 * @param high upper end
 * @param promoted words, with the change of their probability
 * @param suppressed likewise
 * @param random median of the random directions' s
 * @param aboveRandom share of the random directions whose s is lower
 */
public record SteeredFeature(
    String set,
    int images,
    double s,
    double unbiased,
    double low,
    double high,
    double power,
    String promoted,
    String suppressed,
    double random,
    double aboveRandom) {}
