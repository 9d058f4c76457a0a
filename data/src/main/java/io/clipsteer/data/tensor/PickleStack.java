// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.tensor;

import java.util.ArrayList;
import java.util.Arrays;

/** The stack of the pickle machine; its growth is charged. */
final class PickleStack {
  private final PickleInput in;
  private final Budget budget;
  private Pickled[] items = new Pickled[64];
  private int size;

  PickleStack(PickleInput in, Budget budget) {
    this.in = in;
    this.budget = budget;
  }

  void push(Pickled value) {
    if (size == items.length) {
      // Eight bytes a slot: compressed references are not a promise.
      budget.spend(16L * size);
      items = Arrays.copyOf(items, 2 * size);
    }
    items[size++] = value;
  }

  Pickled peek() {
    if (size == 0) throw in.bad("takes a value from an empty stack");
    return items[size - 1];
  }

  Pickled pop() {
    Pickled value = peek();
    size--;
    return value;
  }

  /** The topmost {@code count} values, in the order they were pushed. */
  ArrayList<Pickled> popLast(int count) {
    if (count > size) throw in.bad("takes a value from an empty stack");
    budget.spend(64 + 8L * count);
    ArrayList<Pickled> values = new ArrayList<>(count);
    for (int i = size - count; i < size; i++) values.add(items[i]);
    size -= count;
    return values;
  }

  /** The values above the last mark; the mark goes too. */
  ArrayList<Pickled> popToMark() {
    int mark = size;
    while (mark > 0 && items[mark - 1] != Pickled.Constant.MARK) mark--;
    if (mark == 0) throw in.bad("closes a group that it never opened");
    ArrayList<Pickled> values = popLast(size - mark);
    size--;
    return values;
  }
}
