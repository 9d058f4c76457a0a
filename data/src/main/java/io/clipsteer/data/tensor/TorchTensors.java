// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.tensor;

import io.clipsteer.data.InputException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Arrays;

/**
 * Turns torch's views of storages into row-major tensors. Views that already are row-major stay
 * slices of the file; others are copied into the arena, in all at most four times the file's size.
 */
final class TorchTensors {
  private static final String REMEDY = "The file is damaged: download or save it again";

  private final Path file;
  private final ZipDirectory zip;
  private final String root;
  private final Arena arena;
  private long copiesLeft;

  TorchTensors(Path file, ZipDirectory zip, String root, Arena arena, long fileSize) {
    this.file = file;
    this.zip = zip;
    this.root = root;
    this.arena = arena;
    this.copiesLeft = Math.multiplyExact(4L, fileSize);
  }

  StoredTensor convert(String name, Pickled.TensorView tensor) {
    DType dtype = tensor.dtype();
    if (dtype == null) {
      throw new InputException(
          file,
          "tensor "
              + name
              + " has an element type that is not read here ("
              + tensor.storage().type()
              + ")",
          "Convert it to one of " + Arrays.toString(DType.values()));
    }
    MemorySegment storage = storage(name, tensor.storage());
    long[] shape = tensor.shape();
    long size = dtype.byteSize(shape);
    if (size < 0) throw bad(name, "has the impossible shape " + Arrays.toString(shape));
    if (size == 0) return new StoredTensor(name, dtype, shape, storage.asSlice(0, 0));
    long last = last(tensor);
    if (last < 0 || last >= storage.byteSize() / dtype.bytes()) {
      throw bad(
          name,
          "reaches beyond its "
              + storage.byteSize()
              + " bytes: shape "
              + Arrays.toString(shape)
              + ", strides "
              + Arrays.toString(tensor.stride())
              + ", offset "
              + tensor.offset());
    }
    MemorySegment view = storage.asSlice(tensor.offset() * dtype.bytes());
    if (isRowMajor(shape, tensor.stride())) {
      return new StoredTensor(name, dtype, shape, view.asSlice(0, size));
    }
    copiesLeft -= size;
    if (copiesLeft < 0) {
      throw new InputException(
          file,
          "unfolds into more than four times its size at tensor " + name,
          "Save contiguous tensors: t.contiguous()");
    }
    MemorySegment copy = arena.allocate(size, 64);
    gather(view, copy, shape, tensor.stride(), dtype.bytes());
    return new StoredTensor(name, dtype, shape, copy);
  }

  private MemorySegment storage(String name, Pickled.Storage storage) {
    MemorySegment bytes = zip.find(root + "/data/" + storage.key());
    if (bytes == null) throw bad(name, "has no data: entry data/" + storage.key() + " is missing");
    // Untyped storages count bytes.
    DType dtype = storage.dtype() == null ? DType.U8 : storage.dtype();
    if (bytes.byteSize() != dtype.byteSize(storage.elements())) {
      throw bad(
          name,
          "needs "
              + storage.elements()
              + " elements of "
              + storage.type()
              + " but its data has "
              + bytes.byteSize()
              + " bytes");
    }
    return bytes;
  }

  /** The largest index into the storage; -1 when that is out of all bounds. */
  private static long last(Pickled.TensorView tensor) {
    try {
      long last = tensor.offset();
      if (last < 0) return -1;
      for (int i = 0; i < tensor.shape().length; i++) {
        if (tensor.stride()[i] < 0) return -1;
        long reach = Math.multiplyExact(tensor.shape()[i] - 1, tensor.stride()[i]);
        last = Math.addExact(last, reach);
      }
      return last;
    } catch (ArithmeticException e) {
      return -1;
    }
  }

  private static boolean isRowMajor(long[] shape, long[] stride) {
    long expected = 1;
    for (int i = shape.length - 1; i >= 0; i--) {
      if (shape[i] != 1 && stride[i] != expected) return false;
      expected *= shape[i];
    }
    return true;
  }

  /** Copies element by element in row-major order, counting through the shape. */
  private static void gather(
      MemorySegment from, MemorySegment to, long[] shape, long[] stride, int bytes) {
    int last = shape.length - 1;
    long[] index = new long[shape.length];
    long source = 0;
    for (long target = 0; target < to.byteSize(); ) {
      for (long i = 0; i < shape[last]; i++) {
        MemorySegment.copy(from, (source + i * stride[last]) * bytes, to, target, bytes);
        target += bytes;
      }
      for (int axis = last - 1; axis >= 0; axis--) {
        source += stride[axis];
        if (++index[axis] < shape[axis]) break;
        source -= stride[axis] * shape[axis];
        index[axis] = 0;
      }
    }
  }

  private InputException bad(String name, String what) {
    return new InputException(file, "tensor " + name + " " + what, REMEDY);
  }
}
