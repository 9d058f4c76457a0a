// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.study;

import io.clipsteer.data.Hashes;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * A data set in three disjoint splits.
 *
 * @param groups by which accuracy is reported
 * @param train to rank features
 * @param validation to select their number and the layer
 * @param test to report the selected edit
 * @param dealt whether the seed made the splits, because the files name none
 * @param source of the images, for the report
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
