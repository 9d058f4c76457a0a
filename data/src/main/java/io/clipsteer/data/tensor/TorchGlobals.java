// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.tensor;

import io.clipsteer.data.InputException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * The few names a torch pickle may call, each with its meaning here. Names outside this list become
 * {@link Pickled.Opaque} values and are remembered; names that only serve an attack are refused.
 */
final class TorchGlobals {
  private static final int MAX_RANK = 64;

  private static final Map<String, DType> STORAGES =
      Map.of(
          "DoubleStorage", DType.F64,
          "FloatStorage", DType.F32,
          "HalfStorage", DType.F16,
          "BFloat16Storage", DType.BF16,
          "LongStorage", DType.I64,
          "IntStorage", DType.I32,
          "ShortStorage", DType.I16,
          "CharStorage", DType.I8,
          "ByteStorage", DType.U8,
          "BoolStorage", DType.BOOL);

  private static final Map<String, DType> DTYPES =
      Map.of(
          "float64", DType.F64,
          "float32", DType.F32,
          "float16", DType.F16,
          "bfloat16", DType.BF16,
          "int64", DType.I64,
          "int32", DType.I32,
          "int16", DType.I16,
          "int8", DType.I8,
          "uint8", DType.U8,
          "bool", DType.BOOL);

  private static final Set<String> KNOWN =
      Set.of(
          "collections.OrderedDict",
          "collections.defaultdict",
          "torch.Size",
          "torch.device",
          "torch._utils._rebuild_tensor",
          "torch._utils._rebuild_tensor_v2",
          "torch._utils._rebuild_tensor_v3",
          "torch._utils._rebuild_parameter",
          "torch._utils._rebuild_parameter_with_state",
          "torch._tensor._rebuild_from_type_v2",
          "torch.jit._pickle.build_intlist",
          "torch.jit._pickle.build_doublelist",
          "torch.jit._pickle.build_boollist",
          "torch.jit._pickle.build_tensorlist",
          "torch.jit._pickle.restore_type_tag");

  /** Modules with whose functions a pickle can run code, start programs, or touch files and net. */
  private static final Set<String> MODULES =
      Set.of(
          """
          os posix nt posixpath ntpath subprocess _posixsubprocess sys socket _socket shutil
          runpy pty commands importlib imp ctypes _ctypes code codeop pdb bdb timeit doctest
          pydoc webbrowser pickle _pickle cPickle marshal types operator _operator pip ensurepip
          venv idlelib urllib urllib2 http httplib requests smtplib ftplib telnetlib xmlrpc
          zipimport pkgutil distutils setuptools multiprocessing asyncio _thread inspect
          linecache dill cloudpickle joblib tempfile
          """
              .split("\\s+"));

  /** Names of {@code builtins} that are types of plain values. */
  private static final Set<String> PLAIN_BUILTINS =
      Set.of(
          """
          list dict set frozenset tuple int float bool str bytes bytearray complex slice range
          object long unicode
          """
              .split("\\s+"));

  /** Parts of a dotted name that lead out of the module it starts in. */
  private static final Set<String> PARTS =
      Set.of(
          """
          os sys subprocess builtins __builtins__ __builtin__ __globals__ __dict__
          __getattribute__ __import__ __subclasses__ eval exec execfile compile system popen
          Popen getattr setattr importlib import_module
          """
              .split("\\s+"));

  private final Path file;
  private final PickleInput in;
  private final Budget budget;
  private final SortedSet<String> ignored = new TreeSet<>();

  TorchGlobals(Path file, PickleInput in, Budget budget) {
    this.file = file;
    this.in = in;
    this.budget = budget;
  }

  /** Torch's name of a storage of such elements. */
  static String storageName(DType dtype) {
    for (Map.Entry<String, DType> entry : STORAGES.entrySet()) {
      if (entry.getValue() == dtype) return entry.getKey();
    }
    throw new IllegalArgumentException("torch has no storage of " + dtype);
  }

  /** The names that were met and not understood. */
  SortedSet<String> ignored() {
    return ignored;
  }

  /** What {@code module.name} stands for. */
  Pickled find(String module, String name) {
    budget.spend(256 + 6L * (module.length() + name.length()));
    String full = module + "." + name;
    if (isGadget(module, name)) {
      throw new InputException(
          file,
          "asks Python to run " + full,
          "It can harm whoever loads it with Python: delete it and tell where it came from");
    }
    boolean known =
        KNOWN.contains(full)
            || isStorage(module, name)
            || (module.equals("torch") && DTYPES.containsKey(name))
            || isScript(module);
    if (known) return new Pickled.Global(module, name, full);
    ignored.add(full);
    return new Pickled.Opaque(full);
  }

  /** The storage that a persistent id describes. */
  Pickled storage(Pickled id) {
    if (id instanceof Pickled.Sequence s
        && s.items().size() >= 5
        && s.items().get(0) instanceof Pickled.Text kind
        && kind.value().equals("storage")
        && s.items().get(1) instanceof Pickled.Global type
        && isStorage(type.module(), type.name())
        && s.items().get(2) instanceof Pickled.Text key
        && s.items().get(4) instanceof Pickled.Int elements) {
      budget.spend(48);
      DType dtype = STORAGES.get(type.name());
      return new Pickled.Storage(type.name(), dtype, key.value(), elements.value());
    }
    throw in.bad("refers to something outside that is no storage of numbers");
  }

  /** The value of calling {@code callable}; nothing is run. */
  Pickled call(Pickled callable, List<Pickled> arguments) {
    if (callable instanceof Pickled.Opaque) return callable;
    if (!(callable instanceof Pickled.Global global)) {
      throw in.bad("calls something that is no function");
    }
    budget.spend(24);
    if (global.full().equals("torch._tensor._rebuild_from_type_v2")) {
      // (function, type, arguments, state). Not through itself: that could go round for ever.
      if (arguments.size() >= 3
          && arguments.get(0) instanceof Pickled.Global inner
          && !inner.name().equals(global.name())
          && arguments.get(2) instanceof Pickled.Sequence s) {
        return apply(inner, s.items());
      }
      throw in.bad("rebuilds a tensor in an unknown way");
    }
    return apply(global, arguments);
  }

  private Pickled apply(Pickled.Global global, List<Pickled> arguments) {
    return switch (global.full()) {
      case "collections.OrderedDict", "collections.defaultdict" -> dict(global.full(), arguments);
      case "torch.Size", "torch.device" -> argument(arguments, 0);
      case "torch._utils._rebuild_tensor" -> tensor(arguments, 4);
      case "torch._utils._rebuild_tensor_v2" -> tensor(arguments, 6);
      case "torch._utils._rebuild_tensor_v3" -> {
        DType dtype =
            argument(arguments, 6) instanceof Pickled.Global g ? DTYPES.get(g.name()) : null;
        yield tensor(arguments, 7, dtype);
      }
      case "torch._utils._rebuild_parameter",
          "torch._utils._rebuild_parameter_with_state",
          "torch.jit._pickle.build_intlist",
          "torch.jit._pickle.build_doublelist",
          "torch.jit._pickle.build_boollist",
          "torch.jit._pickle.build_tensorlist",
          "torch.jit._pickle.restore_type_tag" ->
          argument(arguments, 0);
      default -> {
        if (isScript(global.module())) yield new Pickled.Instance();
        throw in.bad("calls " + global.full() + ", which is no function");
      }
    };
  }

  /** Pickles of protocol 2 fill dictionaries afterwards; older ones pass a list of pairs. */
  private Pickled dict(String full, List<Pickled> arguments) {
    budget.spend(48);
    ArrayList<Pickled> pairs = new ArrayList<>();
    if (full.equals("collections.OrderedDict")
        && !arguments.isEmpty()
        && arguments.getFirst() instanceof Pickled.Sequence given) {
      budget.spend(64 + 48L * given.items().size());
      for (Pickled pair : given.items()) {
        if (!(pair instanceof Pickled.Sequence s) || s.items().size() != 2) {
          throw in.bad("fills a dictionary with something other than pairs");
        }
        pairs.addAll(s.items());
      }
    }
    return new Pickled.Dict(pairs);
  }

  /** (storage, offset, size, stride, …); from {@code flagsAt} on may follow lazy operations. */
  private Pickled tensor(List<Pickled> arguments, int flagsAt) {
    return tensor(arguments, flagsAt, storage(arguments).dtype());
  }

  private Pickled.Storage storage(List<Pickled> arguments) {
    if (argument(arguments, 0) instanceof Pickled.Storage storage) return storage;
    throw in.bad("rebuilds a tensor from something that is no storage");
  }

  private Pickled tensor(List<Pickled> arguments, int flagsAt, @Nullable DType dtype) {
    Pickled.Storage storage = storage(arguments);
    if (!(argument(arguments, 1) instanceof Pickled.Int offset)) {
      throw in.bad("rebuilds a tensor from something that is no storage");
    }
    if (arguments.size() > flagsAt
        && arguments.get(flagsAt) instanceof Pickled.Dict flags
        && !flags.pairs().isEmpty()) {
      // Such as a negation or conjugation that torch has not carried out yet.
      ignored.add("torch tensor flags");
      return new Pickled.Opaque("a tensor with pending operations");
    }
    long[] shape = sizes(argument(arguments, 2));
    long[] stride = sizes(argument(arguments, 3));
    if (shape.length != stride.length) throw in.bad("has a tensor whose strides miss its shape");
    budget.spend(48);
    return new Pickled.TensorView(storage, dtype, offset.value(), shape, stride);
  }

  private long[] sizes(Pickled value) {
    if (!(value instanceof Pickled.Sequence s) || s.items().size() > MAX_RANK) {
      throw in.bad("has a tensor without a sensible shape");
    }
    budget.spend(16 + 8L * s.items().size());
    long[] sizes = new long[s.items().size()];
    for (int i = 0; i < sizes.length; i++) {
      if (!(s.items().get(i) instanceof Pickled.Int size)) {
        throw in.bad("has a tensor whose shape is not made of numbers");
      }
      sizes[i] = size.value();
    }
    return sizes;
  }

  private Pickled argument(List<Pickled> arguments, int index) {
    if (index >= arguments.size()) throw in.bad("calls a function with too few arguments");
    return arguments.get(index);
  }

  private static boolean isStorage(String module, String name) {
    return switch (module) {
      case "torch", "torch.cuda" -> name.endsWith("Storage");
      case "torch.storage" -> name.equals("UntypedStorage");
      default -> false;
    };
  }

  private static boolean isScript(String module) {
    return module.equals("__torch__") || module.startsWith("__torch__.");
  }

  /**
   * Whether only an attack puts this name into a checkpoint. This reader runs nothing, so it would
   * do no harm here; but the file is meant to harm a user who loads it in Python, and is refused.
   */
  static boolean isGadget(String module, String name) {
    int dot = module.indexOf('.');
    String top = dot < 0 ? module : module.substring(0, dot);
    if (top.equals("builtins") || top.equals("__builtin__") || top.equals("__builtins__")) {
      return !PLAIN_BUILTINS.contains(name);
    }
    if (MODULES.contains(top) || hasPart(name)) return !isPlain(module, name);
    return switch (top) {
      case "io", "_io" -> name.equals("open") || name.equals("FileIO") || name.equals("open_code");
      case "numpy" -> name.equals("runstring") || name.equals("load") || name.equals("fromfile");
      case "torch" -> name.equals("load") || module.startsWith("torch.hub");
      default -> false;
    };
  }

  /** A bag of settings that lives in a module of gadgets. */
  private static boolean isPlain(String module, String name) {
    return module.equals("types") && name.equals("SimpleNamespace");
  }

  private static boolean hasPart(String dotted) {
    for (int from = 0; from <= dotted.length(); ) {
      int dot = dotted.indexOf('.', from);
      int end = dot < 0 ? dotted.length() : dot;
      if (PARTS.contains(dotted.substring(from, end))) return true;
      from = end + 1;
    }
    return false;
  }
}
