// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.selectivity;

import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.lab.probe.Probe;
import io.clipsteer.lab.run.JsonReport;
import java.util.List;
import java.util.Map;

/**
 * Selectivity of features, class by class.
 *
 * @param hookPoint that is edited
 * @param task of the head
 * @param headLayer whose tokens the head reads
 * @param local whether that is the edited layer: a patch's edit reaches no other patch
 * @param images of the evaluation
 * @param trainingImages of the choice of features
 * @param classes a row for each class and scale
 * @param notStudied classes without a feature or without items, with the reason
 * @param seconds of the whole
 */
public record SelectivityReport(
    String model,
    String data,
    String hookPoint,
    Probe.HeadTask task,
    int headLayer,
    boolean local,
    SelectivitySettings.FeatureChoice select,
    int images,
    int trainingImages,
    List<ClassEffect> classes,
    Map<String, String> notStudied,
    List<ImageLoader.Skipped> skipped,
    double seconds)
    implements JsonReport {}
