// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.label;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Values that annotators gave to items. Values are the same where {@code equals} says so.
 *
 * @param items [items][annotators], null where a value is missing
 * @param <T> type of a value
 */
public record Ratings<T>(List<List<@Nullable T>> items) {
  /**
   * Copies the values.
   *
   * @throws IllegalArgumentException when items have different numbers of annotators
   */
  public Ratings {
    List<List<@Nullable T>> rows = new ArrayList<>();
    for (List<@Nullable T> row : items) {
      if (row.size() != items.getFirst().size()) {
        throw new IllegalArgumentException(
            row.size() + " annotators after " + items.getFirst().size());
      }
      rows.add(Collections.unmodifiableList(new ArrayList<>(row)));
    }
    items = Collections.unmodifiableList(rows);
  }

  /** Number of annotators; 0 without items. */
  public int annotators() {
    return items.isEmpty() ? 0 : items.getFirst().size();
  }

  /** Of each item the values that are there. */
  List<List<T>> present() {
    List<List<T>> all = new ArrayList<>();
    for (List<@Nullable T> row : items) all.add(row.stream().filter(Objects::nonNull).toList());
    return all;
  }
}
