// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.tensor;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Interprets a pickle, protocols 2 to 5, without running anything: the result is made of {@link
 * Pickled} values only. A loop over opcodes with a stack of its own, so depth costs no Java stack;
 * every opcode takes a byte, so it ends.
 */
final class PickleMachine {
  private static final Pickled.Int[] SMALL = new Pickled.Int[256];

  static {
    for (int i = 0; i < SMALL.length; i++) SMALL[i] = new Pickled.Int(i);
  }

  private final PickleInput in;
  private final Budget budget;
  private final TorchGlobals globals;
  private Pickled[] stack = new Pickled[64];
  private int size;

  /** Values that the pickle uses again, numbered in order; the map is for other numbers. */
  private @Nullable Pickled[] stored = new Pickled[64];

  private int storedSize;
  private final Map<Integer, Pickled> others = new HashMap<>();

  PickleMachine(PickleInput in, Budget budget, TorchGlobals globals) {
    this.in = in;
    this.budget = budget;
    this.globals = globals;
  }

  /** The value the pickle leaves on its stack when it stops. */
  Pickled run() {
    while (true) {
      int op = in.u8();
      if (op == '.') return pop();
      boolean known = scalar(op) || text(op) || container(op) || memo(op) || object(op);
      if (!known) {
        throw in.bad("has the opcode 0x" + Integer.toHexString(op) + ", which torch never writes");
      }
    }
  }

  private boolean scalar(int op) {
    switch (op) {
      case 0x80 -> protocol(in.u8());
      case 0x95 -> in.skip(8); // FRAME: only a hint for buffering
      case '(' -> push(Pickled.Constant.MARK);
      case '0' -> pop();
      case '1' -> popToMark();
      case '2' -> push(peek());
      case 'N' -> push(Pickled.Constant.NONE);
      case 0x88 -> push(Pickled.Constant.TRUE);
      case 0x89 -> push(Pickled.Constant.FALSE);
      case 'K' -> pushInt(in.u8());
      case 'M' -> pushInt(in.u16());
      case 'J' -> pushInt(in.i32());
      case 0x8a -> pushLong(in.u8());
      case 0x8b -> pushLong(in.u32());
      case 'G' -> {
        budget.spend(24);
        push(new Pickled.Real(in.f64()));
      }
      default -> {
        return false;
      }
    }
    return true;
  }

  private boolean text(int op) {
    switch (op) {
      case 'X', 'T' -> pushText(in.u32());
      case 0x8c, 'U' -> pushText(in.u8());
      case 0x8d -> pushText(in.i64());
      case 'B' -> pushBytes(in.u32());
      case 'C' -> pushBytes(in.u8());
      case 0x8e, 0x96 -> pushBytes(in.i64());
      default -> {
        return false;
      }
    }
    return true;
  }

  private boolean container(int op) {
    switch (op) {
      case ')', ']', 0x8f -> push(new Pickled.Sequence(emptyList()));
      case '}' -> push(new Pickled.Dict(emptyList()));
      case 't', 'l', 0x91 -> push(new Pickled.Sequence(popToMark()));
      case 0x85, 0x86, 0x87 -> push(new Pickled.Sequence(popLast(op - 0x84)));
      case 'd' -> push(new Pickled.Dict(pairs(popToMark())));
      case 'a' -> append(popLast(1));
      case 'e', 0x90 -> append(popToMark());
      case 's' -> setItems(popLast(2));
      case 'u' -> setItems(popToMark());
      default -> {
        return false;
      }
    }
    return true;
  }

  private boolean memo(int op) {
    switch (op) {
      case 'q' -> store(in.u8(), peek());
      case 'r' -> store(in.i32(), peek());
      case 0x94 -> store(storedSize + others.size(), peek());
      case 'h' -> push(get(in.u8()));
      case 'j' -> push(get(in.i32()));
      default -> {
        return false;
      }
    }
    return true;
  }

  private boolean object(int op) {
    switch (op) {
      case 'c' -> {
        String module = in.line();
        push(globals.find(module, in.line()));
      }
      case 0x93 -> {
        Pickled name = pop();
        if (!(pop() instanceof Pickled.Text m) || !(name instanceof Pickled.Text n)) {
          throw in.bad("names a global by something other than text");
        }
        push(globals.find(m.value(), n.value()));
      }
      case 'R', 0x81 -> {
        Pickled arguments = pop();
        call(pop(), arguments);
      }
      case 0x92 -> { // NEWOBJ_EX: class, arguments, keyword arguments
        pop();
        Pickled arguments = pop();
        call(pop(), arguments);
      }
      case 'o' -> {
        ArrayList<Pickled> group = popToMark();
        if (group.isEmpty()) throw in.bad("builds an object of no class");
        call(group.getFirst(), new Pickled.Sequence(group));
      }
      case 'b' -> build(pop());
      case 'Q' -> push(globals.storage(pop()));
      default -> {
        return false;
      }
    }
    return true;
  }

  private void protocol(int version) {
    if (version < 2 || version > 5) throw in.bad("has protocol " + version);
  }

  private void pushInt(long value) {
    if (value >= 0 && value < SMALL.length) {
      push(SMALL[(int) value]);
    } else {
      budget.spend(24);
      push(new Pickled.Int(value));
    }
  }

  private void pushLong(long count) {
    if (count <= 8) {
      pushInt(in.signed((int) count));
    } else {
      in.skip(count);
      budget.spend(24);
      push(new Pickled.Opaque("int"));
    }
  }

  private void pushText(long count) {
    push(new Pickled.Text(in.text(count)));
  }

  /** Nothing that is read here is held in Python bytes. */
  private void pushBytes(long count) {
    in.skip(count);
    budget.spend(24);
    push(new Pickled.Opaque("bytes"));
  }

  private ArrayList<Pickled> emptyList() {
    budget.spend(48);
    return new ArrayList<>();
  }

  private ArrayList<Pickled> pairs(ArrayList<Pickled> items) {
    if (items.size() % 2 != 0) throw in.bad("has a key without a value");
    return items;
  }

  private void append(ArrayList<Pickled> values) {
    switch (peek()) {
      case Pickled.Sequence sequence -> add(sequence.items(), values);
      case Pickled.Opaque ignored -> {}
      default -> throw in.bad("appends to something that is no list");
    }
  }

  private void setItems(ArrayList<Pickled> values) {
    pairs(values);
    switch (peek()) {
      case Pickled.Dict dict -> add(dict.pairs(), values);
      case Pickled.Opaque ignored -> {}
      default -> throw in.bad("sets items of something that is no dictionary");
    }
  }

  /** Lists grow by half when full: four slots are paid for each that is used. */
  private void add(ArrayList<Pickled> target, ArrayList<Pickled> values) {
    budget.spend((target.isEmpty() ? 80 : 0) + 16L * values.size());
    target.addAll(values);
  }

  private void store(int index, Pickled value) {
    if (index >= 0 && index < storedSize) {
      stored[index] = value;
    } else if (index != storedSize || !others.isEmpty()) {
      if (others.put(index, value) == null) budget.spend(72);
    } else {
      if (storedSize == stored.length) {
        budget.spend(16L * storedSize);
        stored = Arrays.copyOf(stored, 2 * storedSize);
      }
      stored[storedSize++] = value;
    }
  }

  private Pickled get(int index) {
    Pickled value = index >= 0 && index < storedSize ? stored[index] : others.get(index);
    if (value == null) throw in.bad("asks for the value " + index + ", which it never stored");
    return value;
  }

  private void call(Pickled callable, Pickled arguments) {
    if (!(arguments instanceof Pickled.Sequence sequence)) {
      throw in.bad("calls something without a tuple of arguments");
    }
    push(globals.call(callable, sequence.items()));
  }

  /** TorchScript's objects and unknown instances keep plain values; anything else drops them. */
  private void build(Pickled state) {
    switch (peek()) {
      case Pickled.Instance instance -> {
        if (state instanceof Pickled.Dict fields) instance.fields = fields;
      }
      case Pickled.Opaque opaque -> {
        if (state instanceof Pickled.Dict fields) {
          budget.spend(32);
          pop();
          push(new Pickled.Opaque(opaque.what(), fields));
        }
      }
      case Pickled.Dict ignored -> {}
      case Pickled.TensorView ignored -> {}
      default -> throw in.bad("gives a state to something that has none");
    }
  }

  // ---- the stack, whose growth is charged -----------------------------------------------------

  private void push(Pickled value) {
    if (size == stack.length) {
      // Eight bytes a slot: compressed references are not a promise.
      budget.spend(16L * size);
      stack = Arrays.copyOf(stack, 2 * size);
    }
    stack[size++] = value;
  }

  private Pickled peek() {
    if (size == 0) throw in.bad("takes a value from an empty stack");
    return stack[size - 1];
  }

  private Pickled pop() {
    Pickled value = peek();
    size--;
    return value;
  }

  /** The topmost {@code count} values, in the order they were pushed. */
  private ArrayList<Pickled> popLast(int count) {
    if (count > size) throw in.bad("takes a value from an empty stack");
    budget.spend(64 + 8L * count);
    ArrayList<Pickled> values = new ArrayList<>(count);
    for (int i = size - count; i < size; i++) values.add(stack[i]);
    size -= count;
    return values;
  }

  /** The values above the last mark; the mark goes too. */
  private ArrayList<Pickled> popToMark() {
    int mark = size;
    while (mark > 0 && stack[mark - 1] != Pickled.Constant.MARK) mark--;
    if (mark == 0) throw in.bad("closes a group that it never opened");
    ArrayList<Pickled> values = popLast(size - mark);
    size--;
    return values;
  }
}
