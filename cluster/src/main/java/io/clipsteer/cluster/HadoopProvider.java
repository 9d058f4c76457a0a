// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cluster;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.AccessMode;
import java.nio.file.CopyOption;
import java.nio.file.DirectoryStream;
import java.nio.file.FileStore;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.ReadOnlyFileSystemException;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.FileAttributeView;
import java.nio.file.attribute.FileTime;
import java.nio.file.spi.FileSystemProvider;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.security.AccessControlException;
import org.jspecify.annotations.Nullable;

/**
 * Reads Hadoop's file systems for {@link java.nio.file.Files}. A file that is missing or forbidden
 * is reported as Java does; a file system that fails otherwise throws an {@link
 * UncheckedIOException}, since that is no property of the file: the reader ends and is tried again,
 * and does not skip it.
 */
final class HadoopProvider extends FileSystemProvider {
  private final String scheme;

  HadoopProvider(String scheme) {
    this.scheme = scheme;
  }

  /** What Hadoop is asked. */
  @FunctionalInterface
  private interface Question<T> {
    T ask(org.apache.hadoop.fs.FileSystem files, org.apache.hadoop.fs.Path path) throws IOException;
  }

  private static <T> T ask(Path path, Question<T> question) throws IOException {
    HadoopPath own = (HadoopPath) path;
    try {
      return question.ask(own.files().hadoop(), own.hadoop());
    } catch (FileNotFoundException e) {
      throw (IOException) new NoSuchFileException(path.toString()).initCause(e);
    } catch (AccessControlException e) {
      throw (IOException) new AccessDeniedException(path.toString()).initCause(e);
    } catch (IOException e) {
      throw new UncheckedIOException(path + ": " + e.getMessage(), e);
    }
  }

  private static FileStatus status(Path path) throws IOException {
    FileStatus listed = ((HadoopPath) path).listed();
    return listed != null ? listed : ask(path, (files, own) -> files.getFileStatus(own));
  }

  @Override
  public String getScheme() {
    return scheme;
  }

  @Override
  public SeekableByteChannel newByteChannel(
      Path path, Set<? extends OpenOption> options, FileAttribute<?>... attributes)
      throws IOException {
    for (OpenOption option : options) {
      if (option != StandardOpenOption.READ) throw new ReadOnlyFileSystemException();
    }
    FileStatus status = status(path);
    if (status.isDirectory()) throw new AccessDeniedException(path.toString());
    return new HadoopChannel(ask(path, (files, own) -> files.open(own)), status.getLen());
  }

  @Override
  public DirectoryStream<Path> newDirectoryStream(
      Path dir, DirectoryStream.Filter<? super Path> filter) throws IOException {
    if (!status(dir).isDirectory()) throw new NotDirectoryException(dir.toString());
    List<Path> children = new ArrayList<>();
    for (FileStatus one : ask(dir, (files, own) -> files.listStatus(own))) {
      HadoopPath child = (HadoopPath) dir.resolve(one.getPath().getName());
      child = new HadoopPath(child.files(), child.names(), one);
      if (filter.accept(child)) children.add(child);
    }
    return new DirectoryStream<>() {
      @Override
      public java.util.Iterator<Path> iterator() {
        return children.iterator();
      }

      @Override
      public void close() {}
    };
  }

  /**
   * Whether there is such a file or folder.
   *
   * @throws InputException when nobody answers
   */
  @Override
  public boolean exists(Path path, LinkOption... options) {
    try {
      status(path);
      return true;
    } catch (AccessDeniedException e) {
      return true;
    } catch (IOException e) {
      return false;
    } catch (UncheckedIOException e) {
      throw new InputException(
          path, "cannot be reached: " + Reasons.of(e), "Check the address, and try again", e);
    }
  }

  @Override
  public void checkAccess(Path path, AccessMode... modes) throws IOException {
    status(path);
    for (AccessMode mode : modes) {
      if (mode == AccessMode.WRITE) throw new AccessDeniedException(path.toString());
    }
  }

  @Override
  public <A extends BasicFileAttributes> A readAttributes(
      Path path, Class<A> type, LinkOption... options) throws IOException {
    if (type != BasicFileAttributes.class) throw new UnsupportedOperationException();
    return type.cast(new StatusAttributes(status(path)));
  }

  /** What Hadoop says of a file or folder. */
  private record StatusAttributes(FileStatus status) implements BasicFileAttributes {
    @Override
    public FileTime lastModifiedTime() {
      return FileTime.fromMillis(status.getModificationTime());
    }

    @Override
    public FileTime lastAccessTime() {
      return FileTime.fromMillis(status.getAccessTime());
    }

    @Override
    public FileTime creationTime() {
      return lastModifiedTime();
    }

    @Override
    public boolean isRegularFile() {
      return status.isFile();
    }

    @Override
    public boolean isDirectory() {
      return status.isDirectory();
    }

    @Override
    public boolean isSymbolicLink() {
      return status.isSymlink();
    }

    @Override
    public boolean isOther() {
      return false;
    }

    @Override
    public long size() {
      return status.getLen();
    }

    @Override
    public @Nullable Object fileKey() {
      return null;
    }
  }

  @Override
  public boolean isSameFile(Path path, Path other) {
    return path.equals(other);
  }

  @Override
  public boolean isHidden(Path path) {
    return false;
  }

  @Override
  public HadoopFileSystem newFileSystem(URI uri, Map<String, ?> settings) {
    throw new UnsupportedOperationException();
  }

  @Override
  public HadoopFileSystem getFileSystem(URI uri) {
    throw new UnsupportedOperationException();
  }

  @Override
  public Path getPath(URI uri) {
    return new HadoopPaths().path(uri.toString());
  }

  @Override
  public void createDirectory(Path dir, FileAttribute<?>... attributes) {
    throw new ReadOnlyFileSystemException();
  }

  @Override
  public void delete(Path path) {
    throw new ReadOnlyFileSystemException();
  }

  @Override
  public void copy(Path source, Path target, CopyOption... options) {
    throw new ReadOnlyFileSystemException();
  }

  @Override
  public void move(Path source, Path target, CopyOption... options) {
    throw new ReadOnlyFileSystemException();
  }

  @Override
  public FileStore getFileStore(Path path) {
    throw new UnsupportedOperationException();
  }

  @Override
  public <V extends FileAttributeView> @Nullable V getFileAttributeView(
      Path path, Class<V> type, LinkOption... options) {
    return null;
  }

  @Override
  public Map<String, Object> readAttributes(Path path, String names, LinkOption... options) {
    throw new UnsupportedOperationException();
  }

  @Override
  public void setAttribute(Path path, String name, Object value, LinkOption... options) {
    throw new ReadOnlyFileSystemException();
  }
}
