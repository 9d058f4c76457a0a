// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A column of labels that adds nothing to the others, so that its labels take no part in
 * associations.
 *
 * @param column its name
 * @param kind {@code constant}: all labelled images have its one value; {@code unique}: each value
 *     is of one image; {@code duplicate}: its values divide the images as another column's do
 * @param sameAs the other column of a duplicate; else null
 */
public record LabelColumn(String column, String kind, @Nullable String sameAs) {
  /** As a sentence. */
  public String sentence() {
    return "labels: column "
        + column
        + switch (kind) {
          case "constant" -> " has one value for all images";
          case "unique" -> " has a value of its own for every image";
          default -> " is " + sameAs + " under other names";
        }
        + "; it is ignored";
  }

  /** Finds them, in the order of the columns. */
  static List<LabelColumn> find(List<Labels.Label> labels, Association.ImageLabels known) {
    Map<String, List<Integer>> columns = new LinkedHashMap<>();
    for (int l = 0; l < labels.size(); l++) {
      if (known.positives(l) == 0) continue;
      columns.computeIfAbsent(labels.get(l).factor(), f -> new ArrayList<>()).add(l);
    }
    long[] hashes = known.hashes(labels.size());
    Map<List<Long>, String> seen = new HashMap<>();
    List<LabelColumn> found = new ArrayList<>();
    columns.forEach(
        (column, own) -> {
          // Equal sets of images have equal hashes; others have with a probability of 2^−64.
          List<Long> division = own.stream().map(l -> hashes[l]).sorted().toList();
          String same = seen.putIfAbsent(division, column);
          if (own.size() == 1 && known.positives(own.getFirst()) == known.images()) {
            found.add(new LabelColumn(column, "constant", null));
          } else if (own.size() > 1 && own.stream().allMatch(l -> known.positives(l) == 1)) {
            found.add(new LabelColumn(column, "unique", null));
          } else if (same != null) {
            found.add(new LabelColumn(column, "duplicate", same));
          }
        });
    return found;
  }

  /** Which labels are of none of these columns, by number. */
  static boolean[] kept(List<Labels.Label> labels, List<LabelColumn> ignored) {
    boolean[] kept = new boolean[labels.size()];
    Arrays.fill(kept, true);
    for (int l = 0; l < kept.length; l++) {
      for (LabelColumn one : ignored) {
        if (one.column.equals(labels.get(l).factor())) kept[l] = false;
      }
    }
    return kept;
  }
}
