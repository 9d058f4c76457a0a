// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.imageset;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.data.SharedData;
import io.clipsteer.data.image.Golden;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;
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
    assertEquals(names.stream().map(n -> n + " dog").toList(), list(ImageSet.open(tar)));
    List<String> text = List.of("été/ça va.png", "日本/é.png", "plain/a.png");
    for (boolean extended : List.of(false, true)) {
      bytes.reset();
      try (TarArchiveOutputStream out = new TarArchiveOutputStream(bytes, "UTF-8")) {
        out.setAddPaxHeadersForNonAsciiNames(extended);
        for (String name : text) put(out, name);
      }
      Files.write(tar, bytes.toByteArray());
      assertEquals(
          text.stream().map(n -> n + " " + n.substring(0, n.indexOf('/'))).toList(),
          list(ImageSet.open(tar)));
    }
  }

  private static void put(TarArchiveOutputStream out, String name) throws IOException {
    TarArchiveEntry entry = new TarArchiveEntry(name, true);
    entry.setSize(IMAGE.length);
    out.putArchiveEntry(entry);
    out.write(IMAGE);
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
    ImageSet set = ImageSet.open(tar);
    assertEquals(List.of(), list(set));
    assertEquals("2 no plain file", set.listing().reasons());
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
        TarArchiveEntry entry = new TarArchiveEntry(name, true);
        byte[] body = name.endsWith(".txt") ? "hello".getBytes(StandardCharsets.UTF_8) : IMAGE;
        entry.setSize(body.length);
        out.putArchiveEntry(entry);
        out.write(body);
        out.closeArchiveEntry();
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
