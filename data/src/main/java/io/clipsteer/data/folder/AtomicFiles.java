// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.folder;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import io.clipsteer.data.json.JsonFile;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.atomic.AtomicLong;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import tools.jackson.core.JacksonException;

/**
 * Files that appear whole or not at all: written beside their place, forced to disk, renamed. When
 * anything fails, an older file of that name is untouched and nothing is left beside it. Folders
 * that are missing are made. Every method throws an {@link InputException} when the disk refuses.
 */
public final class AtomicFiles {
  private static final AtomicLong COUNTER = new AtomicLong();

  /** Names of files beside their place, as {@link #write} makes them. */
  private static final Pattern LEFT_OVER = Pattern.compile("\\..+\\.[0-9]+-[0-9]+");

  private static final long CHUNK = 1 << 20;

  private AtomicFiles() {}

  /** Makes {@code file} hold exactly {@code bytes}. */
  public static void write(Path file, byte[] bytes) {
    write(file, channel -> writeFully(channel, ByteBuffer.wrap(bytes)));
  }

  /** Makes {@code file} hold {@code text} in UTF-8. */
  public static void writeText(Path file, String text) {
    write(file, text.getBytes(StandardCharsets.UTF_8));
  }

  /** Makes {@code file} hold {@code value} as {@link JsonFile} writes it, with a line end. */
  public static void writeJson(Path file, Object value) {
    try {
      writeText(file, JsonFile.indented(value) + "\n");
    } catch (JacksonException e) {
      throw new InputException(file, "the value does not fit into JSON", "Nothing was written", e);
    }
  }

  /** Makes {@code file} hold what {@code content} writes to a buffered stream. */
  public static void writeStream(Path file, IoConsumer<OutputStream> content) {
    write(
        file,
        channel -> {
          // Not closed here: the channel must stay open to be forced to disk.
          OutputStream out = new BufferedOutputStream(Channels.newOutputStream(channel), 1 << 16);
          content.accept(out);
          out.flush();
        });
  }

  /** Makes {@code file} hold what {@code content} writes to a channel. */
  public static void write(Path file, IoConsumer<WritableByteChannel> content) {
    Path target = file.toAbsolutePath();
    Path folder = target.getParent();
    Path name = target.getFileName();
    if (folder == null || name == null) {
      throw new InputException(file, "is not a file's name", "Name a file inside a folder");
    }
    // The process id and the counter keep two writers of one file from sharing a temporary.
    Path beside =
        folder.resolve(
            "." + name + "." + ProcessHandle.current().pid() + "-" + COUNTER.incrementAndGet());
    boolean created = false;
    try {
      Files.createDirectories(folder);
      try (FileChannel channel =
          FileChannel.open(beside, StandardOpenOption.WRITE, StandardOpenOption.CREATE_NEW)) {
        created = true;
        content.accept(channel);
        channel.force(true);
      }
      Files.move(
          beside, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
      created = false;
      forceFolder(folder);
    } catch (IOException e) {
      throw new InputException(
          file,
          "cannot be written: " + Reasons.of(e),
          "Check the folder, its rights and free space",
          e);
    } finally {
      // Also after a RuntimeException of the content's own.
      if (created) deleteQuietly(beside);
    }
  }

  /**
   * Deletes what writers that were killed left beside their files: in {@code folder} and in what
   * lies up to two folders below. Nobody else may be writing there.
   */
  public static void sweep(Path folder) {
    if (!Files.isDirectory(folder)) return;
    try (Stream<Path> all = Files.walk(folder, 3)) {
      for (Path path : all.toList()) if (isLeftOver(path)) Files.deleteIfExists(path);
    } catch (IOException e) {
      throw new InputException(folder, "cannot be tidied: " + Reasons.of(e), "Check its rights", e);
    } catch (UncheckedIOException e) {
      throw new InputException(folder, "cannot be tidied: " + Reasons.of(e), "Check its rights", e);
    }
  }

  /** Whether a writer that was killed left this file beside its place. */
  static boolean isLeftOver(Path path) {
    return LEFT_OVER.matcher(String.valueOf(path.getFileName())).matches()
        && Files.isRegularFile(path, LinkOption.NOFOLLOW_LINKS);
  }

  /** Writes all of {@code buffer}: a channel may take less than it is given. */
  public static void writeFully(WritableByteChannel channel, ByteBuffer buffer) throws IOException {
    while (buffer.hasRemaining()) channel.write(buffer);
  }

  /** Writes all of a memory, piece by piece: a channel may copy what it is given. */
  public static void writeFully(WritableByteChannel channel, MemorySegment bytes)
      throws IOException {
    for (long at = 0; at < bytes.byteSize(); at += CHUNK) {
      long size = Math.min(CHUNK, bytes.byteSize() - at);
      writeFully(channel, bytes.asSlice(at, size).asByteBuffer());
    }
  }

  /** A rename is on disk only when its folder is. Windows cannot open folders and needs none. */
  private static void forceFolder(Path folder) {
    try (FileChannel channel = FileChannel.open(folder, StandardOpenOption.READ)) {
      channel.force(true);
    } catch (IOException e) {
      // The file itself is complete and in place; only its survival of a power cut is in doubt.
      return;
    }
  }

  private static void deleteQuietly(Path file) {
    try {
      Files.deleteIfExists(file);
    } catch (IOException e) {
      // The first error matters more than the litter.
      return;
    }
  }
}
