// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.run;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.folder.Folders;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import java.util.zip.CRC32C;
import java.util.zip.CheckedInputStream;
import java.util.zip.CheckedOutputStream;

/**
 * Results of blocks on disk, which one process writes and another reads: each in a file that
 * appears whole, with the work's fingerprint at its beginning and a checksum at its end.
 *
 * @param folder that all processes share
 * @param fingerprint equal for two works of which one may take the other's blocks
 */
public record BlockFiles(Path folder, String fingerprint) {
  private static final String KIND = "clipsteer block 1 ";
  private static final int BUFFER = 1 << 16;

  private Path file(String stage, int block) {
    return folder.resolve(stage.replace(' ', '-') + "-" + block + ".block");
  }

  /** Writes a block's result. */
  public void write(String stage, int block, Consumer<StatePort> state) {
    AtomicFiles.writeStream(
        file(stage, block),
        out -> {
          CheckedOutputStream checked = new CheckedOutputStream(out, new CRC32C());
          StatePort port = StatePort.to(checked);
          try {
            port.text(KIND + fingerprint);
            state.accept(port);
            port.number(checked.getChecksum().getValue());
          } catch (UncheckedIOException e) {
            throw Objects.requireNonNull(e.getCause());
          }
        });
  }

  /**
   * Reads a block's result.
   *
   * @throws InputException when it is missing, damaged, or of another work
   */
  public void read(String stage, int block, Consumer<StatePort> state) {
    Path file = file(stage, block);
    try (InputStream in = new BufferedInputStream(Files.newInputStream(file), BUFFER)) {
      CheckedInputStream checked = new CheckedInputStream(in, new CRC32C());
      StatePort port = StatePort.from(checked);
      if (!port.text("").equals(KIND + fingerprint)) {
        throw new IOException("it is of another command");
      }
      state.accept(port);
      long sum = checked.getChecksum().getValue();
      if (port.number(0L) != sum || checked.read() >= 0) throw new IOException("it is damaged");
    } catch (IOException e) {
      throw failure(file, e);
    } catch (UncheckedIOException e) {
      throw failure(file, Objects.requireNonNull(e.getCause()));
    }
  }

  private static InputException failure(Path file, IOException e) {
    return new InputException(
        file,
        "a block's result cannot be read: " + Reasons.of(e),
        "Delete it, and give the same command with --resume",
        e);
  }

  /** The blocks from 0 to before {@code count} whose results are not there. */
  public List<Integer> missing(String stage, int count) {
    return IntStream.range(0, count).filter(block -> !isWhole(stage, block)).boxed().toList();
  }

  /** Deletes all blocks. */
  public void delete() {
    Folders.delete(folder);
  }

  /** Whether a block's result is there, whole and of this work. */
  public boolean isWhole(String stage, int block) {
    Path file = file(stage, block);
    if (!Files.isRegularFile(file)) return false;
    try (InputStream in = new BufferedInputStream(Files.newInputStream(file), BUFFER)) {
      CheckedInputStream checked = new CheckedInputStream(in, new CRC32C());
      StatePort port = StatePort.from(checked);
      if (!port.text("").equals(KIND + fingerprint)) return false;
      long left = Files.size(file) - Long.BYTES - (KIND + fingerprint).length() - Long.BYTES;
      if (left < 0) return false;
      checked.skipNBytes(left);
      long sum = checked.getChecksum().getValue();
      return port.number(0L) == sum;
    } catch (IOException | UncheckedIOException e) {
      return false; // It is computed again.
    }
  }
}
