// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.tensor;

import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Values a pickle stores to use again. Nearly always numbered in order; the map is for the rest.
 */
final class PickleMemo {
  private final Budget budget;
  private @Nullable Pickled[] inOrder = new Pickled[64];
  private int size;
  private final Map<Integer, Pickled> others = new HashMap<>();

  PickleMemo(Budget budget) {
    this.budget = budget;
  }

  int size() {
    return size + others.size();
  }

  void put(int index, Pickled value) {
    if (index >= 0 && index < size) {
      inOrder[index] = value;
    } else if (index != size || !others.isEmpty()) {
      if (others.put(index, value) == null) budget.spend(72);
    } else {
      if (size == inOrder.length) {
        budget.spend(16L * size);
        inOrder = Arrays.copyOf(inOrder, 2 * size);
      }
      inOrder[size++] = value;
    }
  }

  @Nullable Pickled get(int index) {
    return index >= 0 && index < size ? inOrder[index] : others.get(index);
  }
}
