// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.imageset;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.data.SharedData;
import io.clipsteer.data.image.Golden;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;
import org.apache.commons.compress.archivers.zip.ZipEncodingHelper;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

public final class ImageSetTest {
  private static final byte[] IMAGE = Golden.bytes("files/grey.jpg");

  @TempDir Path dir;

  @Test
  void walksFoldersInOrderAndLabelsByFirstSubFolder() throws IOException {
    for (String name :
        List.of("b/2.png", "b/10.JPG", "a/x/1.jpeg", ".h/1.jpg", "a/.1.jpg", "c.txt")) {
      write(name);
    }
    assertEquals(List.of("a/x/1.jpeg a", "b/10.JPG b", "b/2.png b"), list(ImageSet.open(dir)));
    assertEquals(
        List.of("a/x/1.jpeg null", "b/10.JPG null", "b/2.png null"), list(ImageSet.folder(dir)));
    write("top.gif");
    assertEquals(
        List.of("a/x/1.jpeg a", "b/10.JPG b", "b/2.png b", "top.gif null"),
        list(ImageSet.open(dir)));
    assertThrows(InputException.class, () -> ImageSet.open(dir.resolve("absent")));
  }

  /** Two of a and one of each other, though a alone would be enough. */
  @Test
  void aLimitTakesOfEveryClass() throws IOException {
    for (String name : List.of("a/1.jpg", "a/2.jpg", "a/3.jpg", "b/1.jpg", "c/1.jpg", "c/2.jpg")) {
      write(name);
    }
    ImageSet all = ImageSet.open(dir);
    assertEquals(List.of("a/1.jpg a", "a/2.jpg a", "b/1.jpg b", "c/1.jpg c"), list(all.spread(4)));
    assertEquals(List.of("a/1.jpg a", "b/1.jpg b"), list(all.spread(2)));
    assertEquals(list(all), list(all.spread(6)));
    assertEquals(list(all), list(all.spread(Long.MAX_VALUE)));
    assertEquals(6, list(ImageSet.folder(dir).spread(4)).size(), "without labels as it is");
    write("top.jpg");
    assertEquals(List.of("a/1.jpg a", "b/1.jpg b"), list(ImageSet.open(dir).spread(2)));
    assertEquals(7, list(ImageSet.open(dir).spread(7)).size());
  }

  @Test
  void readsTarsWithoutExtracting() throws IOException {
    Files.write(dir.resolve("s1.tar"), tar("./cat/1.jpg", "cat/readme.txt", "dog/2.jpg"));
    assertEquals(
        List.of("cat/1.jpg cat", "dog/2.jpg dog"), list(ImageSet.open(dir.resolve("s1.tar"))));
    Files.write(dir.resolve("s0.tar"), tar("3.jpg"));
    assertEquals(
        List.of("s0.tar/3.jpg null", "s1.tar/cat/1.jpg cat", "s1.tar/dog/2.jpg dog"),
        list(ImageSet.open(dir)));
  }

  @Test
  void refusesTarMembersThatWouldLeaveTheFolder() throws IOException {
    for (String name : List.of("../x.jpg", "/etc/x.jpg", "a/../../x.jpg", "a\\..\\..\\x.jpg")) {
      Path tar = dir.resolve("evil.tar");
      Files.write(tar, tar("ok.jpg", name));
      InputException e =
          assertThrows(InputException.class, () -> list(ImageSet.open(tar)), () -> name);
      assertTrue(e.toString().contains(".jpg'"), e.toString());
    }
  }

  @Test
  void readsTables() throws IOException {
    write("a,b.jpg");
    write("sub/c \"d\".jpg");
    Path csv = dir.resolve("t.csv");
    Files.writeString(
        csv,
        "\uFEFFid,Path,class\r\n1,\"a,b.jpg\",\"two\nlines\"\r\n\r\n2,\"sub/c \"\"d\"\".jpg\",x");
    assertEquals(List.of("a,b.jpg two\nlines", "sub/c \"d\".jpg x"), list(ImageSet.open(csv)));
    Path tsv = dir.resolve("t.tsv");
    Files.writeString(tsv, "index\tfile\n7\ta,b.jpg\n");
    assertEquals(List.of("a,b.jpg 7"), list(ImageSet.open(tsv)));
  }

  @Test
  void refusesBadTables() throws IOException {
    Path csv = dir.resolve("t.csv");
    List<String> bad =
        List.of(
            "",
            "a,b\n1,2\n",
            "file\n../x.jpg\n",
            "file\n/etc/passwd\n",
            "label,file\nonly\n",
            "file\n\"never closed",
            "file\nC:\\x.jpg\n",
            "file\na\0b.jpg\n");
    for (String text : bad) {
      Files.writeString(csv, text);
      assertThrows(InputException.class, () -> list(ImageSet.open(csv)), () -> text);
    }
  }

  @Test
  void namesInArchivesStayApart() throws IOException {
    Path tar = dir.resolve("names.tar");
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    List<String> names = List.of("dog/b\u00FF.png", "dog/b\u00FE.png");
    try (TarArchiveOutputStream out = new TarArchiveOutputStream(bytes, "ISO-8859-1")) {
      for (String name : names) put(out, name);
    }
    Files.write(tar, bytes.toByteArray());
    assertEquals(names.stream().sorted().map(n -> n + " dog").toList(), list(ImageSet.open(tar)));
    List<String> text = List.of("été/ça va.png", "日本/é.png", "plain/a.png");
    for (boolean extended : List.of(false, true)) {
      bytes.reset();
      try (TarArchiveOutputStream out = new TarArchiveOutputStream(bytes, "UTF-8")) {
        out.setAddPaxHeadersForNonAsciiNames(extended);
        for (String name : text) put(out, name);
      }
      Files.write(tar, bytes.toByteArray());
      assertEquals(
          text.stream().sorted().map(n -> n + " " + n.substring(0, n.indexOf('/'))).toList(),
          list(ImageSet.open(tar)));
    }
  }

  private static void put(TarArchiveOutputStream out, String name) throws IOException {
    put(out, name, IMAGE);
  }

  private static void put(TarArchiveOutputStream out, String name, byte[] body) throws IOException {
    TarArchiveEntry entry = new TarArchiveEntry(name, true);
    entry.setSize(body.length);
    out.putArchiveEntry(entry);
    out.write(body);
    out.closeArchiveEntry();
  }

  /** What the archive library itself lets pass. */
  @Test
  void archivesAreHeldToTheirHeaders() throws IOException {
    Path tar = dir.resolve("a.tar");
    byte[] good = tar("dog/a.png", "cat/b.png");
    byte[] damaged = good.clone();
    damaged[3] = 'A'; // dog/a.png becomes dogAa.png, and its class is gone
    Files.write(tar, damaged);
    var e = assertThrows(InputException.class, () -> list(ImageSet.open(tar)));
    assertTrue((e.getMessage() + "").contains("checksum"), e::toString);
    Files.write(tar, new byte[] {0x1f, (byte) 0x8b, 8, 0});
    e = assertThrows(InputException.class, () -> list(ImageSet.open(tar)));
    assertTrue((e.getMessage() + "").contains("gzip"), e::toString);
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (TarArchiveOutputStream out = new TarArchiveOutputStream(bytes)) {
      for (byte type : List.of(TarArchiveEntry.LF_CHR, TarArchiveEntry.LF_FIFO)) {
        out.putArchiveEntry(new TarArchiveEntry("dog/device" + type + ".png", type));
        out.closeArchiveEntry();
      }
    }
    Files.write(tar, bytes.toByteArray());
    e = assertThrows(InputException.class, () -> ImageSet.open(tar));
    assertTrue(
        (e.getMessage() + "").contains("no image in it; skipped: 2 no plain file"), e::toString);
  }

  /** The ids and labels of a folder of the same files, whatever the order in the archive. */
  @Test
  void anArchiveIsSortedAsAFolder() throws IOException {
    List<String> names = List.of("b/2.jpg", "b/10.jpg", "a/1.jpg", "a-b/1.jpg", "a.b/1.jpg");
    for (String name : names) write(name);
    List<String> folder = list(ImageSet.open(dir));
    Path tar = Files.createDirectory(dir.resolve(".other")).resolve("s.tar");
    Files.write(tar, tar(names.toArray(String[]::new)));
    assertEquals(folder, list(ImageSet.open(tar)));
    assertEquals(list(ImageSet.open(dir).spread(3)), list(ImageSet.open(tar).spread(3)));
  }

  /** As WebDataset writes shards: labels are members of their own, of the same key. */
  @Test
  void labelsOfShards() throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (TarArchiveOutputStream out = new TarArchiveOutputStream(bytes)) {
      put(out, "n1/02.jpg", IMAGE);
      put(out, "n1/02.cls", "7\n".getBytes(StandardCharsets.UTF_8));
      put(out, "n1/02.json", new byte[3]);
      put(out, "n1/01.seg.png", IMAGE);
      put(out, "n1/01.cls", "tench".getBytes(StandardCharsets.UTF_8));
      put(out, "n1/03.jpg", IMAGE);
      put(out, "n1/03.cls", "two\nlines".getBytes(StandardCharsets.UTF_8));
      put(out, "n1/04.cls", "4".getBytes(StandardCharsets.UTF_8));
    }
    Path tar = dir.resolve("shard-000000.tar");
    Files.write(tar, bytes.toByteArray());
    ImageSet set = ImageSet.open(tar);
    assertEquals(List.of("n1/01.seg.png tench", "n1/02.jpg 7", "n1/03.jpg n1"), list(set));
    assertEquals(
        Map.of("label that is no line of text", 1L, ".cls", 1L, ".json", 1L),
        set.listing().skipped());
  }

  /** One line, before anything is read; or a name among those skipped. */
  @Test
  void sizesOfMembersAreChecked() throws IOException {
    Path tar = dir.resolve("t.tar");
    byte[] good = tar("a.jpg", "b.jpg");
    // In the last image's bytes; where the end mark is.
    int end = 2 * (512 + (IMAGE.length + 511) / 512 * 512);
    Files.write(tar, Arrays.copyOf(good, end - 512));
    var e = assertThrows(InputException.class, () -> ImageSet.open(tar));
    assertTrue((e.getMessage() + "").contains("damaged (Truncated TAR archive)"), e::toString);
    Files.write(tar, Arrays.copyOf(good, end));
    assertEquals(
        List.of("t.tar has no end mark: its last members may be missing"),
        ImageSet.open(tar).listing().notes());
    for (int cut : new int[] {end / 2 + 200, 300}) { // Inside a header.
      Files.write(tar, Arrays.copyOf(good, cut));
      e = assertThrows(InputException.class, () -> ImageSet.open(tar));
      assertTrue((e.getMessage() + "").contains("ends inside a header"), e::toString);
    }
    Files.write(tar, Arrays.copyOf(good, end + 512)); // Half an end mark is one.
    assertEquals(List.of(), ImageSet.open(tar).listing().notes());

    long huge = 20L << 30;
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    TarArchiveEntry entry = new TarArchiveEntry("huge.jpg", true);
    entry.setSize(huge);
    byte[] header = new byte[512];
    entry.writeEntryHeader(header, ZipEncodingHelper.getZipEncoding("UTF-8"), true);
    bytes.write(tar("a.jpg"), 0, end / 2);
    bytes.write(header);
    Files.write(tar, bytes.toByteArray());
    e = assertThrows(InputException.class, () -> ImageSet.open(tar));
    assertTrue((e.getMessage() + "").contains("damaged (Truncated TAR archive)"), e::toString);
    // The file has as many bytes, nearly all of them a hole.
    try (var channel = FileChannel.open(tar, StandardOpenOption.WRITE)) {
      channel.write(ByteBuffer.wrap(tar("b.jpg")), end / 2 + 512 + huge);
    }
    ImageSet set = ImageSet.open(tar);
    assertEquals(List.of("a.jpg null", "b.jpg null"), list(set));
    assertEquals(
        List.of(new Listing.Skip("huge.jpg", "member of more than 256 MiB")),
        set.listing().named());
  }

  /** An archive that shrinks between listing and reading loses single images, by name. */
  @Test
  void anArchiveThatShrinksIsNamed() throws IOException {
    Path tar = dir.resolve("t.tar");
    byte[] good = tar("a.jpg", "b.jpg");
    Files.write(tar, good);
    ImageSet set = ImageSet.open(tar);
    Files.write(tar, Arrays.copyOf(good, 1024 + IMAGE.length));
    try (ImageCursor cursor = set.cursor()) {
      ImageItem first = Objects.requireNonNull(cursor.next());
      ImageItem second = Objects.requireNonNull(cursor.next());
      assertArrayEquals(IMAGE, first.bytes());
      var e = assertThrows(InputException.class, second::bytes);
      assertEquals(
          "b.jpg: cannot be read: the archive ends before it. Check the archive", e.getMessage());
      cursor.close();
      assertArrayEquals(IMAGE, first.bytes(), "after the pass, too");
    }
  }

  @Test
  void readsTheSharedSets() {
    Path photos = SharedData.require("photos");
    Path table = SharedData.require("photos.tsv");
    ImageTable.Joined joined = ImageTable.read(table, ImageTable.LABEL).join(ImageSet.open(photos));
    List<String> items = list(joined.images());
    assertEquals(500, joined.report().matched());
    assertEquals(500, items.size());
    assertEquals("n01440764_tench.JPEG 0", items.get(0));
    List<String> tar = list(ImageSet.open(SharedData.require("tiny-imagenet-20k.tar")));
    assertEquals(20_000, tar.size());
    assertEquals("n01443537/n01443537_101.JPEG n01443537", tar.get(0));
  }

  private void write(String name) throws IOException {
    Path file = dir.resolve(name);
    Files.createDirectories(file.getParent());
    Files.write(file, IMAGE);
  }

  public static byte[] tar(String... names) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (TarArchiveOutputStream out = new TarArchiveOutputStream(bytes)) {
      out.setLongFileMode(TarArchiveOutputStream.LONGFILE_POSIX);
      for (String name : names) {
        byte[] text = "hello".getBytes(StandardCharsets.UTF_8);
        put(out, name, name.endsWith(".txt") ? text : IMAGE);
      }
    }
    return bytes.toByteArray();
  }

  /** Reads every image's bytes too. */
  public static List<String> list(ImageSet set) {
    List<String> items = new ArrayList<>();
    try (ImageCursor cursor = set.cursor()) {
      for (ImageItem item = cursor.next(); item != null; item = cursor.next()) {
        item.bytes();
        items.add(item.id() + " " + item.label());
      }
    }
    return items;
  }
}
