// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.study;

import io.clipsteer.data.Hashes;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * What is asked of a model, in three parts without overlap.
 *
 * @param groups what accuracy is told for
 * @param train features are ranked on these
 * @param validation their number and the layer are chosen on these
 * @param test the one chosen is reported on these
 * @param dealt whether chance dealt the images out, the files naming no splits
 * @param source what the images are, for the report
 */
public record Study(
    Groups groups,
    List<LabelledImages> train,
    List<LabelledImages> validation,
    List<LabelledImages> test,
    boolean dealt,
    String source) {
  public Study {
    train = List.copyOf(train);
    validation = List.copyOf(validation);
    test = List.copyOf(test);
  }

  /** SHA-256 of the images' ids in all parts. */
  public String hash() {
    String all =
        Stream.of(train, validation, test)
            .flatMap(List::stream)
            .map(part -> part.images().listing().sha256())
            .collect(Collectors.joining("\n"));
    return Hashes.sha256(all.getBytes(StandardCharsets.UTF_8));
  }
}
