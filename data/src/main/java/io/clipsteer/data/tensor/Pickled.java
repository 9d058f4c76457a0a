// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.tensor;

import java.util.ArrayList;
import org.jspecify.annotations.Nullable;

/**
 * All that a pickle can build here: plain values, the recipe of a tensor, and names of Python
 * things that stay names. Values may refer to themselves, so nothing may walk them without a bound;
 * that is also why dictionaries are lists of pairs and never hash their keys.
 */
sealed interface Pickled {

  /** Values without content, and the mark that pickles push on the stack. */
  enum Constant implements Pickled {
    NONE,
    TRUE,
    FALSE,
    MARK
  }

  record Int(long value) implements Pickled {}

  record Real(double value) implements Pickled {}

  record Text(String value) implements Pickled {}

  /** A tuple, list or set. */
  record Sequence(ArrayList<Pickled> items) implements Pickled {}

  /** A dictionary: key, value, key, value. */
  record Dict(ArrayList<Pickled> pairs) implements Pickled {

    /** The last value under {@code key}. */
    @Nullable Pickled find(String key) {
      for (int i = pairs.size() - 2; i >= 0; i -= 2) {
        if (pairs.get(i) instanceof Text t && t.value().equals(key)) return pairs.get(i + 1);
      }
      return null;
    }
  }

  /** A class or function of torch that this reader knows by name. */
  record Global(String module, String name, String full) implements Pickled {}

  /**
   * Anything else: an unknown class, its instances, bytes, huge integers. Inert.
   *
   * @param state the plain values that an instance was given; never acted upon
   */
  record Opaque(String what, @Nullable Dict state) implements Pickled {
    Opaque(String what) {
      this(what, null);
    }
  }

  /** An object of a TorchScript archive. */
  final class Instance implements Pickled {
    @Nullable Dict fields;
  }

  /**
   * Numbers in the archive.
   *
   * @param type torch's name of it
   * @param dtype null for untyped bytes and for element types that are not read here
   */
  record Storage(String type, @Nullable DType dtype, String key, long elements)
      implements Pickled {}

  /** A view of a storage, in units of its elements; {@code dtype} null when not read here. */
  record TensorView(
      Storage storage, @Nullable DType dtype, long offset, long[] shape, long[] stride)
      implements Pickled {}
}
