// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cluster;

import java.net.URI;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.ProviderMismatchException;
import java.nio.file.WatchEvent;
import java.nio.file.WatchKey;
import java.nio.file.WatchService;
import org.apache.hadoop.fs.FileStatus;
import org.jspecify.annotations.Nullable;

/**
 * A path in one of Hadoop's file systems. Its names are those of this machine's paths, which have
 * the same rules on the systems that Hadoop's daemons run on.
 *
 * @param names the path without scheme and host
 * @param listed what a folder's listing said of it, so that nobody has to be asked again; or null
 */
record HadoopPath(HadoopFileSystem files, Path names, @Nullable FileStatus listed) implements Path {
  private HadoopPath with(Path other) {
    return new HadoopPath(files, other, null);
  }

  private @Nullable HadoopPath withNullable(@Nullable Path other) {
    return other == null ? null : with(other);
  }

  private static Path names(Path other) {
    if (other instanceof HadoopPath own) return own.names;
    throw new ProviderMismatchException();
  }

  /** As Hadoop takes it. */
  org.apache.hadoop.fs.Path hadoop() {
    URI root = files.root();
    return new org.apache.hadoop.fs.Path(
        root.getScheme(), root.getAuthority(), names(toAbsolutePath()).normalize().toString());
  }

  @Override
  public HadoopFileSystem getFileSystem() {
    return files;
  }

  @Override
  public boolean isAbsolute() {
    return names.isAbsolute();
  }

  @Override
  public @Nullable Path getRoot() {
    return withNullable(names.getRoot());
  }

  @Override
  public @Nullable Path getFileName() {
    return withNullable(names.getFileName());
  }

  @Override
  public @Nullable Path getParent() {
    return withNullable(names.getParent());
  }

  @Override
  public int getNameCount() {
    return names.getNameCount();
  }

  @Override
  public Path getName(int index) {
    return with(names.getName(index));
  }

  @Override
  public Path subpath(int beginIndex, int endIndex) {
    return with(names.subpath(beginIndex, endIndex));
  }

  @Override
  public boolean startsWith(Path other) {
    return other instanceof HadoopPath own && files == own.files && names.startsWith(own.names);
  }

  @Override
  public boolean endsWith(Path other) {
    return other instanceof HadoopPath own && files == own.files && names.endsWith(own.names);
  }

  @Override
  public Path normalize() {
    return with(names.normalize());
  }

  @Override
  public Path resolve(Path other) {
    return with(names.resolve(names(other)));
  }

  @Override
  public Path relativize(Path other) {
    return with(names.relativize(names(other)));
  }

  @Override
  public URI toUri() {
    return hadoop().toUri();
  }

  @Override
  public Path toAbsolutePath() {
    return isAbsolute() ? this : with(Path.of("/").resolve(names));
  }

  @Override
  public Path toRealPath(LinkOption... options) {
    return toAbsolutePath().normalize();
  }

  @Override
  public WatchKey register(
      WatchService watcher, WatchEvent.Kind<?>[] events, WatchEvent.Modifier... modifiers) {
    throw new UnsupportedOperationException();
  }

  @Override
  public int compareTo(Path other) {
    return names.compareTo(names(other));
  }

  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof HadoopPath own && files == own.files && names.equals(own.names);
  }

  @Override
  public int hashCode() {
    return names.hashCode();
  }

  /** With scheme and host, as it was typed, unless it is relative. */
  @Override
  public String toString() {
    if (!isAbsolute()) return names.toString();
    String host = files.root().getAuthority();
    return files.root().getScheme() + "://" + (host == null ? "" : host) + names;
  }
}
