// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.tensor;

import io.clipsteer.data.InputException;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.ListIterator;
import java.util.Map;
import java.util.function.BiFunction;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * Names the tensors of a checkpoint. A dictionary's tensors are called by their keys, those of
 * nested dictionaries and lists by dotted paths; when the top has a {@code state_dict}, {@code
 * model_state_dict} or {@code model} with tensors, only that one counts; a TorchScript object's
 * tensors are called by the path of attributes. {@code module.} goes when every name has it.
 * Numbers and texts on the way become metadata. A {@code cfg} beside the state, a dictionary or an
 * unknown object, becomes two entries: {@code cfg} is its class, {@link TorchZip#CONFIGURATION} its
 * fields.
 */
final class TorchNames {
  private static final List<String> STATES = List.of("state_dict", "model_state_dict", "model");

  /** What a checkpoint calls the configuration beside its state. */
  private static final String CFG = "cfg";

  /** Stands for a Python object in the configuration: its class. */
  private static final String CLASS = "__class__";

  /** Values may hold themselves. */
  private static final int MAX_FIELDS_DEPTH = 8;

  private static final int MAX_DEPTH = 64;

  /** A container being walked: the values that are left, and the name of the container. */
  private record Level(Pickled container, ListIterator<Pickled> values, String prefix) {}

  private final Path file;
  private final Budget budget;
  private final LinkedHashMap<String, Pickled.TensorView> found = new LinkedHashMap<>();
  private final Map<String, String> metadata = new HashMap<>();
  private final Deque<Level> open = new ArrayDeque<>();

  TorchNames(Path file, Budget budget) {
    this.file = file;
    this.budget = budget;
  }

  /** Every tensor below {@code top} with its name, made by {@code convert}. */
  LinkedHashMap<String, StoredTensor> read(
      Pickled top, BiFunction<String, Pickled.TensorView, StoredTensor> convert) {
    Pickled chosen = choose(top);
    if (chosen instanceof Pickled.TensorView tensor) {
      found.put("tensor", tensor);
    } else {
      walk(chosen);
    }
    if (found.isEmpty()) {
      String what =
          chosen instanceof Pickled.Opaque o ? "a Python object, " + o.what() : "no tensors";
      throw new InputException(
          file, "holds " + what, "Save a state dict: torch.save(model.state_dict(), path)");
    }
    boolean wrapped = found.keySet().stream().allMatch(name -> name.startsWith("module."));
    LinkedHashMap<String, StoredTensor> tensors = new LinkedHashMap<>();
    found.forEach(
        (full, tensor) -> {
          budget.spend(256 + 2L * full.length());
          String name = wrapped ? full.substring("module.".length()) : full;
          tensors.put(name, convert.apply(name, tensor));
        });
    return tensors;
  }

  /** What was noted beside the tensors. */
  Map<String, String> metadata() {
    return metadata;
  }

  private Pickled choose(Pickled top) {
    if (!(top instanceof Pickled.Dict dict)) return top;
    for (String key : STATES) {
      if (dict.find(key) instanceof Pickled.Dict state
          && state.pairs().stream().anyMatch(v -> v instanceof Pickled.TensorView)) {
        for (int i = 0; i < dict.pairs().size(); i += 2) {
          if (dict.pairs().get(i) instanceof Pickled.Text name) {
            note(name.value(), dict.pairs().get(i + 1));
            noteFields(name.value(), dict.pairs().get(i + 1));
          }
        }
        return state;
      }
    }
    return top;
  }

  private void walk(Pickled top) {
    enter(top, "");
    while (!open.isEmpty()) {
      Level level = open.peek();
      if (!level.values.hasNext()) {
        open.pop();
        continue;
      }
      budget.spend(16);
      boolean keyed = !(level.container instanceof Pickled.Sequence);
      String key = keyed ? key(level.values.next()) : Integer.toString(level.values.nextIndex());
      visit(level, key, level.values.next());
    }
  }

  private void visit(Level level, @Nullable String key, Pickled value) {
    boolean script = level.container instanceof Pickled.Instance;
    switch (value) {
      case Pickled.TensorView tensor -> {
        if (key == null) {
          throw new InputException(
              file, "has a tensor under a key that is no name", "Save a state dict");
        }
        String name = name(level.prefix, key);
        if (found.put(name, tensor) != null) {
          throw new InputException(
              file, "has two tensors called " + name, "Save one state dict, not several nested");
        }
      }
      // Lists and dictionaries of a TorchScript object are not part of its state dict.
      case Pickled.Dict d when !script && key != null -> enter(d, name(level.prefix, key));
      case Pickled.Sequence s when !script && key != null -> enter(s, name(level.prefix, key));
      case Pickled.Instance i when key != null -> enter(i, name(level.prefix, key));
      default -> {
        boolean wanted = script ? open.size() == 1 : level.container instanceof Pickled.Dict;
        if (wanted && key != null) note(name(level.prefix, key), value);
      }
    }
  }

  private void enter(Pickled container, String prefix) {
    List<Pickled> values =
        switch (container) {
          case Pickled.Dict dict -> dict.pairs();
          case Pickled.Sequence sequence -> sequence.items();
          case Pickled.Instance i when i.fields != null -> i.fields.pairs();
          default -> List.of();
        };
    if (values.isEmpty()) return;
    if (open.size() == MAX_DEPTH) {
      throw new InputException(
          file, "nests its values more than " + MAX_DEPTH + " deep", "Save a plain state dict");
    }
    budget.spend(48);
    open.push(new Level(container, values.listIterator(), prefix));
  }

  /** The fields of a configuration that lies beside the state. */
  private void noteFields(String name, Pickled value) {
    if (!name.equals(CFG)) return;
    Pickled.Dict fields = value instanceof Pickled.Opaque o ? o.state() : dict(value);
    if (value instanceof Pickled.Opaque o) metadata.put(name, o.what());
    if (fields != null) metadata.put(TorchZip.CONFIGURATION, json(fields, 0).toString());
  }

  /** As JSON, so that None, True, numbers and texts stay apart. What is no plain value is named. */
  private JsonNode json(Pickled value, int depth) {
    budget.spend(128);
    JsonNodeFactory make = JsonNodeFactory.instance;
    if (depth == MAX_FIELDS_DEPTH) return make.stringNode("nested too deep");
    return switch (value) {
      case Pickled.Constant c when c == Pickled.Constant.NONE -> make.nullNode();
      case Pickled.Constant c -> make.booleanNode(c == Pickled.Constant.TRUE);
      case Pickled.Int i -> make.numberNode(i.value());
      case Pickled.Real r -> make.numberNode(r.value());
      case Pickled.Text t -> make.stringNode(t.value());
      case Pickled.Sequence s -> {
        ArrayNode array = make.arrayNode();
        for (Pickled item : s.items()) array.add(json(item, depth + 1));
        yield array;
      }
      case Pickled.Dict d -> {
        ObjectNode object = make.objectNode();
        for (int i = 0; i < d.pairs().size(); i += 2) {
          String key = key(d.pairs().get(i));
          JsonNode field = json(d.pairs().get(i + 1), depth + 1);
          object.set(key == null ? "a key that is no name" : key, field);
        }
        yield object;
      }
      case Pickled.Opaque o -> make.objectNode().put(CLASS, o.what());
      case Pickled.Global g -> make.objectNode().put(CLASS, g.full());
      case Pickled.TensorView t -> make.objectNode().put(CLASS, "a tensor");
      case Pickled.Storage t -> make.objectNode().put(CLASS, "a tensor");
      case Pickled.Instance t -> make.objectNode().put(CLASS, "an object");
    };
  }

  private static Pickled.@Nullable Dict dict(Pickled value) {
    return value instanceof Pickled.Dict dict ? dict : null;
  }

  private void note(String key, Pickled value) {
    String text =
        switch (value) {
          case Pickled.Int i -> Long.toString(i.value());
          case Pickled.Real r -> Double.toString(r.value());
          case Pickled.Text t -> t.value();
          default -> null;
        };
    if (text == null) return;
    budget.spend(128);
    metadata.put(key, text);
  }

  private static @Nullable String key(Pickled key) {
    return switch (key) {
      case Pickled.Text t -> t.value();
      case Pickled.Int i -> Long.toString(i.value());
      default -> null;
    };
  }

  private String name(String prefix, String key) {
    if (prefix.isEmpty()) return key;
    budget.spend(64 + 2L * (prefix.length() + key.length()));
    return prefix + "." + key;
  }
}
