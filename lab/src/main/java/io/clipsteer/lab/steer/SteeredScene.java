// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.steer.Sweep;
import java.util.List;

/**
 * The images at a hook point.
 *
 * @param maxima largest value of every coordinate over all tokens
 * @param skipped images that could not be read
 */
record SteeredScene(
    HookPoint point, Sweep sweep, double[] maxima, List<ImageLoader.Skipped> skipped) {}
