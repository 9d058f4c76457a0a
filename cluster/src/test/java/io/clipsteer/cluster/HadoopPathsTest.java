// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cluster;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.data.InputPaths;
import io.clipsteer.data.imageset.GroupSource;
import io.clipsteer.data.imageset.ImageCursor;
import io.clipsteer.data.imageset.ImageItem;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.imageset.ImageSet;
import io.clipsteer.data.preprocess.Preprocessing;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.nio.file.ReadOnlyFileSystemException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.RawLocalFileSystem;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Folders of this machine, read through Hadoop. */
public final class HadoopPathsTest {
  @TempDir private Path dir;

  /** The same place through Hadoop's mounts. */
  private static Path mounted(Path place) {
    return InputPaths.of("viewfs://test/local" + place);
  }

  /** Lists, and opens nothing. */
  public static final class BrokenFiles extends RawLocalFileSystem {
    @Override
    public URI getUri() {
      return URI.create("broken:///");
    }

    @Override
    public FSDataInputStream open(org.apache.hadoop.fs.Path path, int buffer) throws IOException {
      throw new IOException("the connection was reset");
    }
  }

  private void write(String name, byte[] bytes) throws IOException {
    Files.createDirectories(dir.resolve(name).getParent());
    Files.write(dir.resolve(name), bytes);
  }

  private static List<String> list(ImageSet set) {
    List<String> all = new ArrayList<>();
    try (ImageCursor cursor = set.cursor()) {
      for (ImageItem item = cursor.next(); item != null; item = cursor.next()) {
        all.add(item.id() + " " + item.label() + " " + Arrays.toString(item.bytes()));
      }
    }
    return all;
  }

  @Test
  void aSetIsThatOfTheFolder() throws IOException {
    for (String name : List.of("b/2.png", "b/10 ü.png", "a/x/1.jpg", ".h/1.png", "c.txt")) {
      write(name, name.getBytes(java.nio.charset.StandardCharsets.UTF_8));
    }
    ImageSet here = ImageSet.open(dir);
    ImageSet there = ImageSet.open(mounted(dir));
    assertEquals(3, list(here).size());
    assertEquals(list(here), list(there));
    assertEquals(here.listing(), there.listing());
    Files.writeString(dir.resolve("t.csv"), "file,label\nb/2.png,x\n");
    assertEquals(
        list(ImageSet.open(dir.resolve("t.csv"))),
        list(ImageSet.open(mounted(dir).resolve("t.csv"))));
    assertEquals(mounted(dir), GroupSource.parse("--data", "celeba:" + mounted(dir)).path());
  }

  @Test
  void pathsAndBytes() throws IOException {
    write("sub/file", new byte[] {0, 1, 2, 3, 4});
    Path root = mounted(dir);
    Path file = root.resolve("sub/file");
    assertEquals(file, InputPaths.of(file.toString()));
    assertEquals(file, root.resolve("x/../sub/./file").normalize());
    assertEquals("sub/file", root.relativize(file).toString());
    assertEquals(root.resolve("sub"), file.getParent());
    assertEquals("file", file.getFileName() + "");
    assertTrue(file.startsWith(root) && file.toString().startsWith("viewfs://test/local/"));
    assertEquals(5, Files.size(file));
    assertTrue(Files.isDirectory(root) && Files.exists(file) && !Files.exists(root.resolve("no")));
    assertArrayEquals(new byte[] {0, 1, 2, 3, 4}, Files.readAllBytes(file));
    try (var channel = Files.newByteChannel(file)) {
      ByteBuffer outside = ByteBuffer.allocateDirect(3);
      assertEquals(3, channel.position(1).read(outside));
      assertEquals(2, outside.get(1));
      assertEquals(4, channel.position());
      assertEquals(-1, channel.position(5).read(outside.clear()));
    }
    assertThrows(NoSuchFileException.class, () -> Files.readAllBytes(root.resolve("no")));
    assertThrows(NotDirectoryException.class, () -> Files.newDirectoryStream(file));
    assertThrows(ReadOnlyFileSystemException.class, () -> Files.write(file, new byte[1]));
    assertThrows(ReadOnlyFileSystemException.class, () -> Files.delete(file));
    assertTrue(Files.exists(dir.resolve("sub/file")));
  }

  @Test
  void addressesThatCannotBeRead() {
    assertEquals(Path.of("/a b"), InputPaths.of("file:///a%20b"));
    var e = assertThrows(InputException.class, () -> ImageSet.open(mounted(dir.resolve("no"))));
    assertTrue((e.getMessage() + "").contains("/no: there is no such file"), e::toString);
    for (String address :
        List.of("gopher://x/a", "s3a://bucket/a", "hdfs://no.invalid:1/a", "hdfs://a b:x/c")) {
      e = assertThrows(InputException.class, () -> ImageSet.open(InputPaths.of(address)));
      assertTrue((e.getMessage() + "").contains("Hadoop cannot open it"), e::toString);
      assertEquals(1, (e.getMessage() + "").lines().count());
    }
  }

  /** A file system that fails ends the reading: its images are not skipped. */
  @Test
  void failuresAreNoBadImages() throws IOException {
    write("a.png", new byte[3]);
    Path broken = InputPaths.of("broken://" + dir);
    ImageSet set = ImageSet.open(broken);
    assertThrows(UncheckedIOException.class, () -> list(set));
    try (var loader = new ImageLoader(set, Preprocessing.clip(8), ImageLoader.Options.of(1))) {
      var e = assertThrows(InputException.class, loader::next);
      assertTrue((e.getMessage() + "").contains("the connection was reset"), e::toString);
      assertFalse(loader.skipped().stream().findAny().isPresent());
    }
    Files.delete(dir.resolve("a.png"));
    write("a.tar", new byte[1024]);
    var e = assertThrows(InputException.class, () -> ImageSet.open(broken));
    assertTrue(
        (e.getMessage() + "").contains("a.tar: cannot be read: the connection"), e::toString);
  }
}
