// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.imageset;

import static io.clipsteer.data.imageset.GroupedSetTest.ATTRIBUTES;
import static io.clipsteer.data.imageset.GroupedSetTest.PARTS;
import static io.clipsteer.data.imageset.GroupedSetTest.celeba;
import static io.clipsteer.data.imageset.GroupedSetTest.fails;
import static io.clipsteer.data.imageset.GroupedSetTest.read;
import static io.clipsteer.data.imageset.GroupedSetTest.write;
import static io.clipsteer.data.imageset.GroupedSetTest.writeImages;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.imageset.GroupedSet.GroupSplit;
import io.clipsteer.data.imageset.GroupedSet.Member;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Every fault of a grouped set is one line that says where. */
final class HostileGroupsTest {
  private static final String WATERBIRDS = "img_id,img_filename,y,split,place,place_filename\n";

  @TempDir Path dir;

  @Test
  void refusesBadCeleba() throws IOException {
    badCeleba(ATTRIBUTES.replace("5\n", "6\n"), PARTS, "line 1", "6 images", "5 follow");
    badCeleba(ATTRIBUTES.substring(2), PARTS, "line 1", "no number of images");
    badCeleba("-5\n" + ATTRIBUTES.substring(2), PARTS, "line 1", "no number of images");
    badCeleba("", PARTS, "line 1", "ends here");
    badCeleba("5\n", PARTS, "ends here");
    badCeleba("0\nMale Blond_Hair\n", "", "lists no image");
    badCeleba(ATTRIBUTES.replace("Male", "Man"), PARTS, "line 2", "no column is called Male");
    badCeleba(ATTRIBUTES.replace("Young", "Male"), PARTS, "line 2", "two columns are called Male");
    badCeleba(ATTRIBUTES.replace("2.png  1", "2.png"), PARTS, "line 4", "3 cells for 4 columns");
    badCeleba(ATTRIBUTES.replace("2.png", "2.png 1"), PARTS, "line 4", "5 cells for 4 columns");
    badCeleba(ATTRIBUTES.replace("2.png  1 -1", "2.png 1 0"), PARTS, "line 4", "Hair is '0'");
    badCeleba(ATTRIBUTES.replace("000003", "000002"), PARTS, "line 5", "again");
    badCeleba(ATTRIBUTES.replace("000003", "000009"), PARTS, "line 5", "'000009.png' is in no");
    badCeleba(ATTRIBUTES, PARTS.replace("3.png 1", "3.png 3"), "partition.txt, line 3", "'3'");
    badCeleba(
        ATTRIBUTES,
        PARTS.replace("3.png 1", "3.png"),
        "partition.txt, line 3",
        "1 cell for 2 columns");
    badCeleba(ATTRIBUTES, PARTS + "sub/5.png 0\n", "partition.txt, line 6", "again");
    badCeleba(ATTRIBUTES, PARTS + "9.png 0\n", "lists 5 images", "list_eval_partition 6");
    String climbing = "../img_align_celeba/1.png";
    badCeleba(
        ATTRIBUTES.replace("sub/5.png", climbing),
        PARTS.replace("sub/5.png", climbing),
        "line 7",
        "'..'");
    badCeleba(
        ATTRIBUTES.replace("sub/5.png", "/sub/5.png"),
        PARTS.replace("sub/5.png", "/sub/5.png"),
        "line 7",
        "absolute");
    badCeleba(
        ATTRIBUTES.replace("sub/5.png", "./000004.png"),
        PARTS.replace("sub/5.png", "./000004.png"),
        "line 7",
        "again");
    celeba(dir, ATTRIBUTES, PARTS);
    Files.write(dir.resolve("list_attr_celeba.txt"), latin("1\nMale Blond_Hair\n\u00e4.png 1 1\n"));
    fails(() -> read("celeba", dir, GroupSplit.ALL), "line 3", "not UTF-8");
    fails(() -> CelebaLayout.read(dir, "Male", "male", GroupSplit.ALL), "both");
  }

  @Test
  void refusesIncompleteCeleba() throws IOException {
    fails(() -> read("celeba", dir.resolve("absent"), GroupSplit.ALL), "absent", "no such folder");
    fails(() -> read("celeba", dir, GroupSplit.ALL), "list_attr_celeba.csv");
    write(dir, "list_attr_celeba.txt", ATTRIBUTES);
    fails(() -> read("celeba", dir, GroupSplit.ALL), "no folder img_align_celeba");
    Files.createDirectory(dir.resolve("img_align_celeba"));
    fails(() -> read("celeba", dir, GroupSplit.TEST), "list_eval_partition.csv");
    fails(() -> read("celeba", dir, GroupSplit.ALL), "line 3", "no image", "000001.jpg");
  }

  @Test
  void refusesBadWaterbirds() throws IOException {
    fails(() -> read("waterbirds", dir, GroupSplit.ALL), "metadata.csv", "there is no such file");
    writeImages(dir, "a.png", "b.png");
    String good = WATERBIRDS + "1,a.png,0,0,1,x\n";
    badWaterbirds("", "metadata.csv", "the table is empty");
    badWaterbirds(WATERBIRDS, "a header and no row");
    badWaterbirds(good.replace("place,", "ground,"), "line 1", "no column is called place");
    String bad =
        """
        2,b.png,0,0,1|5 cells for 6 columns
        2,b.png,0,0,1,x,y|7 cells for 6 columns
        2,b.png,2,0,1,x|y is '2'
        2,b.png,0,3,1,x|split is '3'
        2,b.png,0,0,-1,x|place is '-1'
        2,b.png,,0,1,x|y is ''
        2,c/../a.png,1,1,1,x|'..'
        2,../a.png,1,1,1,x|'..'
        2,/etc/passwd,1,1,1,x|absolute
        2,,1,1,1,x|names no file
        2,.,1,1,1,x|'.' is no file name
        """;
    for (String row : bad.split("\n")) {
      String[] parts = row.split("\\|");
      badWaterbirds(good + parts[0] + "\n", "line 3", parts[1]);
    }
    badWaterbirds(good + "\n2,a.png,1,1,1,x\n", "line 4", "'a.png' again");
    badWaterbirds(good + "2,\"b.png,1,1,1,x\n", "does not close");
    badWaterbirds(
        good + "2,b.png,0,0,1," + "x".repeat(3 << 20), "line 3", "over 1048576 characters");
    Files.write(dir.resolve("metadata.csv"), latin(good + "2,b.png,1,1,1,caf\u00e9\n"));
    fails(() -> read("waterbirds", dir, GroupSplit.ALL), "line 3", "not UTF-8");
    write(dir, "metadata.csv", good);
    assertEquals(1, read("waterbirds", dir, GroupSplit.TRAIN).members().size());
  }

  @Test
  void refusesNamesThatSayNothing() throws IOException {
    fails(() -> read("typographic", dir, GroupedSet.GroupSplit.ALL), "no image");
    fails(
        () -> read("typographic", dir.resolve("absent"), GroupedSet.GroupSplit.ALL),
        "no such folder");
    writeImages(dir, "label=dog_text=cat.png");
    for (String name :
        List.of(
            "dog.png",
            "label=dog.png",
            "label=dog_text=.png",
            "label=_text=cat.png",
            "label= _text=cat.png",
            "text=cat_label=dog.png",
            "label=hot_dog_text=cat.png",
            "label=dog_text=cat_big.png",
            "xlabel=dog_text=cat.png",
            "label=dog_text=cat=cow.png")) {
      writeImages(dir, "sub/" + name);
      fails(() -> read("typographic", dir, GroupedSet.GroupSplit.ALL), name);
      Files.delete(dir.resolve("sub").resolve(name));
    }
  }

  @Test
  void refusesBadTables() throws IOException {
    writeImages(dir, "a.png");
    String head = "file,target,attribute,split\n";
    Path csv = dir.resolve("t.csv");
    fails(() -> read("csv", csv, GroupSplit.ALL), "t.csv", "there is no such file");
    fails(() -> read("csv", dir, GroupSplit.ALL), "is a folder, not a text file");
    write(dir, "t.csv", "file,target,attribute\na.png,dog,snow\n");
    fails(() -> read("csv", csv, GroupSplit.TEST), "line 1", "called split");
    for (List<String> bad :
        List.of(
            List.of(head, "a header and no row"),
            List.of(head + "a.png,dog,snow,later\n", "line 2", "split is 'later'"),
            List.of(head + "a.png, ,snow,test\n", "line 2", "target is empty"),
            List.of(head + "a.png,dog,,test\n", "line 2", "attribute is empty"),
            List.of(head + "a.png,dog,snow\n", "line 2", "3 cells for 4 columns"),
            List.of(head + "a.png,dog,snow,0\na.png,dog,ice,1\n", "line 3", "again"),
            List.of(head + "b.png,dog,snow,0\n", "line 2", "no image 'b.png'"),
            List.of(head + "a\0.png,dog,snow,0\n", "line 2", "UTF-8"),
            List.of("file,target,split\na.png,dog,0\n", "line 1", "called attribute"),
            List.of(
                "file,target,attribute,file\na.png,d,s,b\n",
                "line 1",
                "two columns are called file"))) {
      write(dir, "t.csv", bad.getFirst());
      fails(() -> read("csv", csv, GroupSplit.ALL), bad.get(1), bad.getLast());
    }
  }

  @Test
  void refusesMoreGroupsThanMemoryShouldHold() throws IOException {
    StringBuilder rows = new StringBuilder("file,target,attribute,split\na.png,t,a,train\n");
    for (int i = 0; i < 4097; i++) rows.append("%d.png,t%d,a%d,test\n".formatted(i, i, i));
    writeImages(dir, "a.png");
    write(dir, "t.csv", rows.toString());
    fails(() -> read("csv", dir.resolve("t.csv"), GroupSplit.TRAIN), "4098 targets");
  }

  @Test
  void refusesMembersOfUnknownGroups() throws IOException {
    writeImages(dir, "a.png");
    ImageSet images = ImageSet.folder(dir);
    List<String> two = List.of("a", "b");
    assertEquals(
        1, new GroupedSet(images, two, two, List.of(new Member("a.png", 1, 1))).members().size());
    for (Member m :
        List.of(
            new Member("", 2, 0),
            new Member("", 0, 2),
            new Member("", -1, 0),
            new Member("", 0, -1))) {
      assertThrows(
          IllegalArgumentException.class, () -> new GroupedSet(images, two, two, List.of(m)));
    }
    List<String> twice = List.of("a", "a");
    assertThrows(
        IllegalArgumentException.class, () -> new GroupedSet(images, two, twice, List.of()));
    GroupedSet empty = new GroupedSet(images, two, two, List.of()).balanced(1);
    assertEquals(List.of(0, 0, 0, 0), empty.groupSizes());
    assertTrue(ImageSetTest.list(empty.images()).isEmpty());
  }

  private void badCeleba(String attributes, String parts, String... words) throws IOException {
    celeba(dir, attributes, parts);
    fails(() -> read("celeba", dir, GroupSplit.TEST), words);
  }

  private void badWaterbirds(String metadata, String... words) throws IOException {
    write(dir, "metadata.csv", metadata);
    fails(() -> read("waterbirds", dir, GroupSplit.ALL), words);
  }

  private static byte[] latin(String text) {
    return text.getBytes(StandardCharsets.ISO_8859_1);
  }
}
