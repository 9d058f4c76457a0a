// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.tensor;

import java.util.Set;

/**
 * Python names that only an attack puts into a checkpoint. This reader runs nothing, so they would
 * do no harm here; but the file is meant to harm a user who loads it in Python, and is refused.
 */
final class Gadgets {
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

  private Gadgets() {}

  /** Whether naming this global is reason enough to refuse the file. */
  static boolean isOne(String module, String name) {
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
