// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.tensor;

import java.util.ArrayList;

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
  private final PickleStack stack;
  private final PickleMemo memo;

  PickleMachine(PickleInput in, Budget budget, TorchGlobals globals) {
    this.in = in;
    this.budget = budget;
    this.globals = globals;
    this.stack = new PickleStack(in, budget);
    this.memo = new PickleMemo(budget);
  }

  /** The value the pickle leaves on its stack when it stops. */
  Pickled run() {
    while (true) {
      int op = in.u8();
      if (op == '.') return stack.pop();
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
      case '(' -> stack.push(Pickled.Constant.MARK);
      case '0' -> stack.pop();
      case '1' -> stack.popToMark();
      case '2' -> stack.push(stack.peek());
      case 'N' -> stack.push(Pickled.Constant.NONE);
      case 0x88 -> stack.push(Pickled.Constant.TRUE);
      case 0x89 -> stack.push(Pickled.Constant.FALSE);
      case 'K' -> pushInt(in.u8());
      case 'M' -> pushInt(in.u16());
      case 'J' -> pushInt(in.i32());
      case 0x8a -> pushLong(in.u8());
      case 0x8b -> pushLong(in.u32());
      case 'G' -> {
        budget.spend(24);
        stack.push(new Pickled.Real(in.f64()));
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
      case ')', ']', 0x8f -> stack.push(new Pickled.Sequence(emptyList()));
      case '}' -> stack.push(new Pickled.Dict(emptyList()));
      case 't', 'l', 0x91 -> stack.push(new Pickled.Sequence(stack.popToMark()));
      case 0x85, 0x86, 0x87 -> stack.push(new Pickled.Sequence(stack.popLast(op - 0x84)));
      case 'd' -> stack.push(new Pickled.Dict(pairs(stack.popToMark())));
      case 'a' -> append(stack.popLast(1));
      case 'e', 0x90 -> append(stack.popToMark());
      case 's' -> setItems(stack.popLast(2));
      case 'u' -> setItems(stack.popToMark());
      default -> {
        return false;
      }
    }
    return true;
  }

  private boolean memo(int op) {
    switch (op) {
      case 'q' -> memo.put(in.u8(), stack.peek());
      case 'r' -> memo.put(in.i32(), stack.peek());
      case 0x94 -> memo.put(memo.size(), stack.peek());
      case 'h' -> stack.push(get(in.u8()));
      case 'j' -> stack.push(get(in.i32()));
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
        stack.push(globals.find(module, in.line()));
      }
      case 0x93 -> {
        Pickled name = stack.pop();
        if (!(stack.pop() instanceof Pickled.Text m) || !(name instanceof Pickled.Text n)) {
          throw in.bad("names a global by something other than text");
        }
        stack.push(globals.find(m.value(), n.value()));
      }
      case 'R', 0x81 -> {
        Pickled arguments = stack.pop();
        call(stack.pop(), arguments);
      }
      case 0x92 -> { // NEWOBJ_EX: class, arguments, keyword arguments
        stack.pop();
        Pickled arguments = stack.pop();
        call(stack.pop(), arguments);
      }
      case 'o' -> {
        ArrayList<Pickled> group = stack.popToMark();
        if (group.isEmpty()) throw in.bad("builds an object of no class");
        call(group.getFirst(), new Pickled.Sequence(group));
      }
      case 'b' -> build(stack.pop());
      case 'Q' -> stack.push(globals.storage(stack.pop()));
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
      stack.push(SMALL[(int) value]);
    } else {
      budget.spend(24);
      stack.push(new Pickled.Int(value));
    }
  }

  private void pushLong(long count) {
    if (count <= 8) {
      pushInt(in.signed((int) count));
    } else {
      in.skip(count);
      budget.spend(24);
      stack.push(new Pickled.Opaque("int"));
    }
  }

  private void pushText(long count) {
    stack.push(new Pickled.Text(in.text(count)));
  }

  /** Nothing that is read here is held in Python bytes. */
  private void pushBytes(long count) {
    in.skip(count);
    budget.spend(24);
    stack.push(new Pickled.Opaque("bytes"));
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
    switch (stack.peek()) {
      case Pickled.Sequence sequence -> add(sequence.items(), values);
      case Pickled.Opaque ignored -> {}
      default -> throw in.bad("appends to something that is no list");
    }
  }

  private void setItems(ArrayList<Pickled> values) {
    pairs(values);
    switch (stack.peek()) {
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

  private Pickled get(int index) {
    Pickled value = memo.get(index);
    if (value == null) throw in.bad("asks for the value " + index + ", which it never stored");
    return value;
  }

  private void call(Pickled callable, Pickled arguments) {
    if (!(arguments instanceof Pickled.Sequence sequence)) {
      throw in.bad("calls something without a tuple of arguments");
    }
    stack.push(globals.call(callable, sequence.items()));
  }

  /** TorchScript's objects and unknown instances keep plain values; anything else drops them. */
  private void build(Pickled state) {
    switch (stack.peek()) {
      case Pickled.Instance instance -> {
        if (state instanceof Pickled.Dict fields) instance.fields = fields;
      }
      case Pickled.Opaque opaque -> {
        if (state instanceof Pickled.Dict fields) {
          budget.spend(32);
          stack.pop();
          stack.push(new Pickled.Opaque(opaque.what(), fields));
        }
      }
      case Pickled.Dict ignored -> {}
      case Pickled.TensorView ignored -> {}
      default -> throw in.bad("gives a state to something that has none");
    }
  }
}
