// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.folder;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ThreadLocalRandom;

/**
 * The exclusive right of one run to write a folder. The operating system releases the lock when the
 * process ends, also after a kill, so a lock file that stays behind locks nothing. On file systems
 * without locks, two processes are not kept apart.
 */
public final class FolderLock implements AutoCloseable {
  /** The lock file's name in the folder. */
  public static final String NAME = ".lock";

  /** Locks of this process: the operating system's locks exclude other processes only. */
  private static final Set<Path> HELD = ConcurrentHashMap.newKeySet();

  private final Path file;
  private final FileChannel channel;

  private FolderLock(Path file, FileChannel channel) {
    this.file = file;
    this.channel = channel;
  }

  /**
   * Takes a folder, which is made when it is missing.
   *
   * @throws InputException when another run has it, or the disk refuses
   */
  public static FolderLock take(Path folder) {
    Path file;
    try {
      Files.createDirectories(folder);
      file = folder.toRealPath().resolve(NAME);
      if (HELD.add(file)) {
        FileChannel channel = open(file);
        if (isLocked(channel) && isThere(file, channel)) return new FolderLock(file, channel);
        channel.close();
        HELD.remove(file);
      }
    } catch (IOException e) {
      throw new InputException(
          folder, "cannot be written: " + Reasons.of(e), "Check its rights and free space", e);
    }
    throw new InputException(
        folder, "is being written by another run", "Wait for its end, or name another folder");
  }

  private static FileChannel open(Path file) throws IOException {
    try {
      return FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    } catch (IOException e) {
      HELD.remove(file);
      throw e;
    }
  }

  /**
   * Whether the locked file still is the one in the folder: the former holder deletes its file when
   * it ends, perhaps between this process's opening and locking it. A random size identifies the
   * file, since closing a second channel on it would release the lock (POSIX).
   */
  private static boolean isThere(Path file, FileChannel channel) throws IOException {
    int size = 1 + ThreadLocalRandom.current().nextInt(1 << 20);
    channel.truncate(0).write(ByteBuffer.allocate(1), size - 1L);
    return Files.exists(file) && Files.size(file) == size;
  }

  private static boolean isLocked(FileChannel channel) {
    try {
      return channel.tryLock() != null;
    } catch (IOException e) {
      return true; // No locks on this file system.
    }
  }

  @Override
  public void close() {
    try (channel) {
      Files.deleteIfExists(file);
    } catch (IOException e) {
      return; // Without a holder it locks nothing.
    } finally {
      HELD.remove(file);
    }
  }
}
