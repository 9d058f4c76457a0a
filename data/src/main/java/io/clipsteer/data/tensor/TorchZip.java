// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.tensor;

import io.clipsteer.data.InputException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Checkpoints written by {@code torch.save} and TorchScript archives written by {@code
 * torch.jit.save}, read without Python and without running anything. The pickle inside may only
 * build plain values and tensors. Other names it mentions are skipped and listed in the metadata
 * under {@link #IGNORED_GLOBALS}; names that only serve to run code ({@code os.system} and the
 * like) refuse the file. Storages are not copied: tensors are slices of the mapped file, except
 * views that are not row-major.
 *
 * <p>How tensors are named: see {@code TorchNames}. Memory: at most four times the file's size plus
 * 768 KiB of heap, and four times its size for copies of views.
 */
public final class TorchZip {
  /** Metadata: the skipped names, sorted, with ", " between them. Absent when there are none. */
  public static final String IGNORED_GLOBALS = "ignored_globals";

  /** Metadata: text that stood before the archive, such as saev's line of JSON. */
  public static final String PREAMBLE = "preamble";

  /**
   * Metadata: the fields of a {@code cfg} beside the state, as a JSON object; None is null, a
   * Python object that is no plain value is {@code {"__class__": name}}. {@code cfg} is its own
   * class.
   */
  public static final String CONFIGURATION = "cfg fields";

  private static final long MAX_PICKLE = 256L << 20;
  private static final long MAX_PREAMBLE = 1 << 16;

  private TorchZip() {}

  /**
   * Opens a checkpoint.
   *
   * @throws InputException when the file is missing, damaged, of torch's format before 1.6, written
   *     on a big-endian machine, harmful, or holds no tensors
   */
  public static TensorFile open(Path file) {
    return TensorFile.map(file, TorchZip::read);
  }

  /**
   * Writes {@code file} whole or not at all: an {@code OrderedDict} of tensors that {@code
   * torch.load(path, weights_only=True)} reads. The bytes depend only on the arguments.
   *
   * @param preamble text before the archive, such as saev's line of JSON; empty for none
   * @throws InputException when two tensors share a name, all exceed 4 GiB, or the disk refuses
   */
  public static void write(Path file, Collection<StoredTensor> tensors, String preamble) {
    TorchZipWriter.write(file, tensors, preamble);
  }

  static TensorFile read(Path file, MemorySegment bytes, Arena arena) {
    FileKind.refuseForeign(file, bytes);
    Budget budget = new Budget(file, bytes.byteSize());
    ZipDirectory zip = new ZipDirectory(file, bytes, budget);
    String root = root(file, zip);
    checkByteOrder(file, zip.find(root + "/byteorder"));
    MemorySegment pickle = zip.find(root + "/data.pkl");
    if (pickle == null || pickle.byteSize() > MAX_PICKLE) {
      throw new InputException(
          file, "has no data.pkl of a sensible size", "Save a state dict with torch.save");
    }
    PickleInput in = new PickleInput(file, pickle, budget);
    TorchGlobals globals = new TorchGlobals(file, in, budget);
    Pickled top = new PickleMachine(in, budget, globals).run();
    TorchTensors tensors = new TorchTensors(file, zip, root, arena, bytes.byteSize());
    TorchNames names = new TorchNames(file, budget);
    var named = names.read(top, tensors::convert);
    Map<String, String> metadata = names.metadata();
    if (!globals.ignored().isEmpty()) {
      metadata.put(IGNORED_GLOBALS, String.join(", ", globals.ignored()));
    }
    if (zip.start() > 0 && zip.start() <= MAX_PREAMBLE) {
      budget.spendText(zip.start());
      metadata.put(PREAMBLE, text(bytes.asSlice(0, zip.start())).strip());
    }
    return new TensorFile(file, named, metadata, arena);
  }

  /** Torch names the folder inside after the file; any one name is good. */
  private static String root(Path file, ZipDirectory zip) {
    List<String> pickles =
        zip.names().stream()
            .filter(n -> n.endsWith("/data.pkl") && n.indexOf('/') == n.length() - 9)
            .limit(2)
            .toList();
    if (pickles.size() != 1) {
      throw new InputException(
          file,
          pickles.isEmpty() ? "is a ZIP archive but no torch checkpoint" : "holds two checkpoints",
          "Name a file written by torch.save, or a safetensors file");
    }
    String name = pickles.getFirst();
    return name.substring(0, name.length() - "/data.pkl".length());
  }

  private static void checkByteOrder(Path file, @Nullable MemorySegment entry) {
    if (entry == null) return;
    String order = text(entry.asSlice(0, Math.min(16, entry.byteSize()))).strip();
    if (!order.equals("little")) {
      throw new InputException(
          file,
          "has the byte order \"" + order + "\"; only little is read",
          "Load and save it again on an ordinary machine");
    }
  }

  private static String text(MemorySegment bytes) {
    return new String(bytes.toArray(ValueLayout.JAVA_BYTE), StandardCharsets.UTF_8);
  }
}
