// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.tensor;

import static io.clipsteer.data.tensor.MappedFile.I64;

import io.clipsteer.data.InputException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Locale;

/** The kind of a weights file, recognised by its bytes. */
enum FileKind {
  SAFETENSORS,
  TORCH_ZIP,
  SHARD_INDEX;

  /**
   * Tells the kind.
   *
   * @throws InputException when it is none of them; well-known strangers are called by their name
   */
  static FileKind of(Path file, MemorySegment bytes) {
    long size = bytes.byteSize();
    if (hasHeader(bytes)) {
      long header = bytes.get(I64, 0);
      if (header > 0 && header <= size - 8) return SAFETENSORS;
    }
    refuseForeign(file, bytes);
    String start = start(bytes);
    if (start.startsWith("PK")) return TORCH_ZIP;
    if (start.stripLeading().startsWith("{")) {
      // saev puts a line of JSON before the archive.
      return ZipDirectory.findEnd(bytes) >= 0 ? TORCH_ZIP : SHARD_INDEX;
    }
    // Possibly a safetensors file that was cut short: its reader says what is wrong with it.
    if (hasHeader(bytes)) return SAFETENSORS;
    throw new InputException(
        file,
        size == 0 ? "is empty" : "is neither safetensors nor a torch checkpoint",
        "Name a *.safetensors, a torch *.pt or *.bin, or a *.index.json");
  }

  /** Whether JSON stands where safetensors have theirs. */
  static boolean hasHeader(MemorySegment bytes) {
    return bytes.byteSize() > 8 && bytes.get(ValueLayout.JAVA_BYTE, 8) == '{';
  }

  /** Refuses what people commonly have in place of weights, each with its own remedy. */
  static void refuseForeign(Path file, MemorySegment bytes) {
    String start = start(bytes);
    String text = start.stripLeading().toLowerCase(Locale.ROOT);
    if (start.startsWith("version https://git-lfs")) {
      throw new InputException(
          file, "is only a git-LFS pointer, not the weights", "Run: git lfs pull");
    }
    if (text.startsWith("<!doctype html") || text.startsWith("<html") || text.startsWith("<?xml")) {
      throw new InputException(
          file,
          "is a web page, not weights",
          "The download failed: open it in a browser to see why");
    }
    if (start.startsWith("\u001f\u008b")) {
      throw new InputException(file, "is packed with gzip", "Unpack it first: gunzip");
    }
    if (start.startsWith("\u0080\u0002\u008a\n") || start.contains("ustar")) {
      throw new InputException(
          file,
          "is in torch's format of before version 1.6",
          "Save it again: torch.save(torch.load(path, weights_only=True), path)");
    }
    if (!start.isEmpty() && start.charAt(0) == '\u0080') {
      throw new InputException(
          file, "is a bare Python pickle", "Save its tensors with safetensors or torch.save");
    }
    if (start.startsWith("\u0093NUMPY")
        || start.startsWith("\u0089HDF")
        || start.startsWith("GGUF")) {
      throw new InputException(file, "is a NumPy, HDF5 or GGUF file", "Convert it to safetensors");
    }
  }

  /** The first bytes, one character each. */
  private static String start(MemorySegment bytes) {
    byte[] first = bytes.asSlice(0, Math.min(512, bytes.byteSize())).toArray(ValueLayout.JAVA_BYTE);
    return new String(first, StandardCharsets.ISO_8859_1);
  }
}
