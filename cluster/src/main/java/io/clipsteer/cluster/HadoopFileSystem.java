// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cluster;

import io.clipsteer.data.InputException;
import java.io.IOException;
import java.net.URI;
import java.net.UnknownHostException;
import java.nio.file.FileStore;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Path;
import java.nio.file.PathMatcher;
import java.nio.file.WatchService;
import java.nio.file.attribute.UserPrincipalLookupService;
import java.nio.file.spi.FileSystemProvider;
import java.util.List;
import java.util.Set;
import org.apache.hadoop.conf.Configuration;
import org.jspecify.annotations.Nullable;

/** One of Hadoop's file systems for {@link java.nio.file.Files}, to read from. */
final class HadoopFileSystem extends FileSystem {
  private final URI root;
  private final Configuration settings;
  private final HadoopProvider provider;
  private org.apache.hadoop.fs.@Nullable FileSystem hadoop;

  /** Reaches nothing yet. */
  HadoopFileSystem(URI root, Configuration settings) {
    this.root = root;
    this.settings = settings;
    provider = new HadoopProvider(root.getScheme());
  }

  /** Scheme and host; its path is {@code /}. */
  URI root() {
    return root;
  }

  /**
   * Hadoop's own, opened once in a process.
   *
   * @throws InputException when Hadoop does not know the scheme or the host
   */
  synchronized org.apache.hadoop.fs.FileSystem hadoop() {
    org.apache.hadoop.fs.FileSystem open = hadoop;
    if (open != null) return open;
    try {
      open = org.apache.hadoop.fs.FileSystem.get(root, settings);
    } catch (IOException | RuntimeException | LinkageError e) {
      // A class or a host that is missing is inside of other exceptions.
      Throwable cause = e;
      while (cause.getCause() != null) cause = cause.getCause();
      String what = cause instanceof UnknownHostException ? "the host is unknown: " : "";
      throw new InputException(
          root,
          "Hadoop cannot open it: "
              + what
              + String.valueOf(cause.getMessage()).lines().findFirst().orElse("" + cause),
          "Check the address, HADOOP_CONF_DIR and the jars of that file system",
          e);
    }
    hadoop = open;
    return open;
  }

  @Override
  public FileSystemProvider provider() {
    return provider;
  }

  /** Hadoop closes its own at the process's end. */
  @Override
  public void close() {
    throw new UnsupportedOperationException();
  }

  @Override
  public boolean isOpen() {
    return true;
  }

  @Override
  public boolean isReadOnly() {
    return true;
  }

  @Override
  public String getSeparator() {
    return "/";
  }

  @Override
  public Iterable<Path> getRootDirectories() {
    return List.of(getPath("/"));
  }

  @Override
  public Iterable<FileStore> getFileStores() {
    return List.of();
  }

  @Override
  public Set<String> supportedFileAttributeViews() {
    return Set.of("basic");
  }

  @Override
  public HadoopPath getPath(String first, String... more) {
    return new HadoopPath(this, FileSystems.getDefault().getPath(first, more), null);
  }

  @Override
  public PathMatcher getPathMatcher(String syntaxAndPattern) {
    throw new UnsupportedOperationException();
  }

  @Override
  public UserPrincipalLookupService getUserPrincipalLookupService() {
    throw new UnsupportedOperationException();
  }

  @Override
  public WatchService newWatchService() {
    throw new UnsupportedOperationException();
  }
}
