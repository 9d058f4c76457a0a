// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data;

import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;

/** SHA-256 in lower-case hexadecimal. */
public final class Hashes {
  private static final int CHUNK = 1 << 20;

  private Hashes() {}

  /**
   * Of a file's bytes, read in pieces.
   *
   * @throws InputException when the file cannot be read
   */
  public static String sha256(Path file) {
    if (Files.isDirectory(file)) throw new InputException(file, "is a folder", "Name a file");
    MessageDigest digest = digest();
    byte[] piece = new byte[1 << 16];
    try (InputStream in = Files.newInputStream(file)) {
      for (int n; (n = in.read(piece)) >= 0; ) digest.update(piece, 0, n);
    } catch (IOException e) {
      throw new InputException(
          file, "cannot be read: " + Reasons.of(e), "Check the path and its rights", e);
    }
    return HexFormat.of().formatHex(digest.digest());
  }

  /** Of memory, however large. */
  public static String sha256(MemorySegment bytes) {
    MessageDigest digest = digest();
    for (long at = 0; at < bytes.byteSize(); at += CHUNK) {
      long size = Math.min(CHUNK, bytes.byteSize() - at);
      ByteBuffer piece = bytes.asSlice(at, size).asByteBuffer();
      digest.update(piece);
    }
    return HexFormat.of().formatHex(digest.digest());
  }

  /** Of an array. */
  public static String sha256(byte[] bytes) {
    return HexFormat.of().formatHex(digest().digest(bytes));
  }

  private static MessageDigest digest() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java has SHA-256", e);
    }
  }

  /** SHA-256 of a file, or of every file that lies in a folder, by the file's name. */
  public static Map<String, String> files(Path path) {
    Map<String, String> hashes = new TreeMap<>();
    try (Stream<Path> all = Files.isDirectory(path) ? Files.list(path) : Stream.of(path)) {
      for (Path file : all.filter(Files::isRegularFile).toList()) {
        hashes.put(String.valueOf(file.getFileName()), sha256(file));
      }
    } catch (IOException e) {
      throw new InputException(path, "cannot be read: " + Reasons.of(e), "Check its rights", e);
    }
    return hashes;
  }
}
