// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.tensor;

import io.clipsteer.data.InputException;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiFunction;
import org.jspecify.annotations.Nullable;

/**
 * Names the tensors of a checkpoint. A dictionary's tensors are called by their keys, those of
 * nested dictionaries and lists by dotted paths; when the top has a {@code state_dict}, {@code
 * model_state_dict} or {@code model} with tensors, only that one counts; a TorchScript object's
 * tensors are called by the path of attributes. {@code module.} goes when every name has it.
 * Numbers and texts on the way become metadata, and so do those of a {@code cfg} beside the state,
 * a dictionary or an unknown object: {@code cfg} is then its class, {@code cfg.k} a field.
 */
final class TorchNames {
  private static final List<String> STATES = List.of("state_dict", "model_state_dict", "model");

  /** What a checkpoint calls the configuration beside its state. */
  private static final String CONFIGURATION = "cfg";

  private static final int MAX_DEPTH = 64;

  /** A container being walked: its values, how many are done, and the name of the container. */
  private static final class Level {
    final Pickled container;
    final List<Pickled> values;
    final String prefix;
    int next;

    Level(Pickled container, List<Pickled> values, String prefix) {
      this.container = container;
      this.values = values;
      this.prefix = prefix;
    }
  }

  private final Path file;
  private final Budget budget;
  private final LinkedHashMap<String, Pickled.Tensor> found = new LinkedHashMap<>();
  private final Map<String, String> metadata = new HashMap<>();
  private final Deque<Level> open = new ArrayDeque<>();

  TorchNames(Path file, Budget budget) {
    this.file = file;
    this.budget = budget;
  }

  /** Every tensor below {@code top} with its name, made by {@code convert}. */
  SafeTensors.Contents read(Pickled top, BiFunction<String, Pickled.Tensor, StoredTensor> convert) {
    Pickled chosen = choose(top);
    if (chosen instanceof Pickled.Tensor tensor) {
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
    return new SafeTensors.Contents(tensors, metadata);
  }

  private Pickled choose(Pickled top) {
    if (!(top instanceof Pickled.Dict dict)) return top;
    for (String key : STATES) {
      if (dict.find(key) instanceof Pickled.Dict state
          && state.pairs().stream().anyMatch(v -> v instanceof Pickled.Tensor)) {
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
      if (level.next == level.values.size()) {
        open.pop();
        continue;
      }
      budget.spend(16);
      boolean keyed = !(level.container instanceof Pickled.Sequence);
      String key = keyed ? key(level.values.get(level.next)) : Integer.toString(level.next);
      Pickled value = level.values.get(keyed ? level.next + 1 : level.next);
      level.next += keyed ? 2 : 1;
      visit(level, key, value);
    }
  }

  private void visit(Level level, @Nullable String key, Pickled value) {
    boolean script = level.container instanceof Pickled.Instance;
    switch (value) {
      case Pickled.Tensor tensor -> {
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
    open.push(new Level(container, values, prefix));
  }

  /** The plain fields of a configuration that lies beside the state, one dictionary deep. */
  private void noteFields(String name, Pickled value) {
    if (!name.equals(CONFIGURATION)) return;
    Pickled.Dict fields = value instanceof Pickled.Opaque o ? o.state() : dict(value);
    if (value instanceof Pickled.Opaque o) metadata.put(name, o.what());
    if (fields == null) return;
    noteAll(name, fields);
    for (int i = 0; i < fields.pairs().size(); i += 2) {
      Pickled.Dict inner = dict(fields.pairs().get(i + 1));
      String key = key(fields.pairs().get(i));
      if (inner != null && key != null) noteAll(name(name, key), inner);
    }
  }

  private void noteAll(String prefix, Pickled.Dict fields) {
    for (int i = 0; i < fields.pairs().size(); i += 2) {
      budget.spend(16);
      String key = key(fields.pairs().get(i));
      Pickled value = fields.pairs().get(i + 1);
      if (key == null) continue;
      if (value == Pickled.Constant.TRUE) note(name(prefix, key), new Pickled.Text("true"));
      else note(name(prefix, key), value);
    }
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
