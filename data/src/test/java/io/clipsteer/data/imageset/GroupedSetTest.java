// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.imageset;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.data.imageset.GroupedSet.GroupSplit;
import io.clipsteer.data.imageset.GroupedSet.Member;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class GroupedSetTest {
  static final String ATTRIBUTES =
      """
      5
      Young Blond_Hair Male
      000001.jpg -1  1  1
      000002.png  1 -1  1
      000003.png -1 -1 -1
      000004.png -1  1 -1
      sub/5.png   1  1 -1
      """;
  static final String PARTS =
      "000002.png 2\n000001.jpg 2\n000003.png 1\n000004.png 0\nsub/5.png 2\n";

  @TempDir Path dir;

  static GroupedSet read(String layout, Path path, GroupSplit split) {
    return GroupSource.parse("--data", layout + ":" + path).read(split);
  }

  /** The members, each with its target and attribute; an image's label is its target. */
  static void holds(GroupedSet set, String... members) {
    assertEquals(
        List.of(members),
        set.members().stream().map(m -> m.id() + " " + m.target() + " " + m.attribute()).toList());
    assertEquals(
        set.members().stream().map(m -> m.id() + " " + set.targets().get(m.target())).toList(),
        ImageSetTest.list(set.images()));
  }

  @Test
  void readsCelebaOfTheAuthors() throws IOException {
    celeba(dir, ATTRIBUTES, PARTS);
    GroupedSet test = read("celeba", dir, GroupSplit.TEST);
    assertEquals(List.of("woman", "man"), test.targets());
    assertEquals(List.of("not blond", "blond"), test.attributes());
    holds(
        test,
        "img_align_celeba/000001.jpg 1 1",
        "img_align_celeba/000002.png 1 0",
        "img_align_celeba/sub/5.png 0 1");
    assertEquals(List.of(0, 1, 1, 1), test.groupSizes());
    assertEquals(3, test.group(test.members().getFirst()));
    assertEquals(
        List.of(new Member("img_align_celeba/000004.png", 0, 1)),
        read("celeba", dir, GroupSplit.TRAIN).members());
    assertEquals(
        List.of(new Member("img_align_celeba/000003.png", 0, 0)),
        read("celeba", dir, GroupSplit.VALIDATION).members());
    Files.delete(dir.resolve("list_eval_partition.txt"));
    assertEquals(List.of(1, 2, 1, 1), read("celeba", dir, GroupSplit.ALL).groupSizes());
    GroupedSet young = CelebaLayout.read(dir, "blond_hair", "Young", GroupSplit.ALL);
    assertEquals(List.of("not Young", "Young"), young.attributes());
    assertEquals(List.of(1, 1, 2, 1), young.groupSizes());
  }

  @Test
  void readsCelebaOfKaggleAndOfTheArchive() throws IOException {
    write(
        dir, "list_attr_celeba.csv", "\uFEFFimage_id,Male,Blond_Hair\r\n1.png,1,-1\r\n2.png,-1,1");
    write(dir, "list_eval_partition.csv", "image_id,partition\n1.png,0\n2.png,2\n");
    writeImages(
        dir, "img_align_celeba/img_align_celeba/1.png", "img_align_celeba/img_align_celeba/2.png");
    assertEquals(
        List.of(new Member("img_align_celeba/img_align_celeba/2.png", 0, 1)),
        read("celeba", dir, GroupSplit.TEST).members());
    Path archive = dir.resolve("archive");
    write(dir, "archive/Anno/list_attr_celeba.txt", "1\nMale\tBlond_Hair\n1.png\t1\t-1\n");
    write(dir, "archive/Eval/list_eval_partition.txt", "1.png 2\n");
    writeImages(dir, "archive/Img/img_align_celeba/1.png");
    assertEquals(
        List.of(new Member("Img/img_align_celeba/1.png", 1, 0)),
        read("celeba", archive, GroupSplit.TEST).members());
  }

  @Test
  void looksOnlyForImagesOfTheChosenSplit() throws IOException {
    celeba(dir, ATTRIBUTES, PARTS);
    Files.delete(dir.resolve("img_align_celeba/000004.png"));
    assertEquals(3, read("celeba", dir, GroupSplit.TEST).members().size());
    fails(
        () -> read("celeba", dir, GroupSplit.TRAIN), "list_attr_celeba.txt, line 6", "000004.png");
  }

  @Test
  void readsWaterbirds() throws IOException {
    write(
        dir,
        "metadata.csv",
        """
        img_id,img_filename,y,split,place,place_filename
        1,001.Albatross/a.jpg,1,2,0,/f/forest/1.jpg
        2,001.Albatross/b.jpg,1,2,1,"/o/ocean,2.jpg"
        3,002.Wren/c.jpg,0,2,1,x
        4,002.Wren/d.jpg,0,0,0,x
        5,002.Wren/e.jpg,0,1,0,x
        """);
    for (String name : List.of("1.Albatross/a", "1.Albatross/b", "2.Wren/c", "2.Wren/d")) {
      writeImages(dir, "00" + name + ".jpg");
    }
    GroupedSet test = read("waterbirds", dir, GroupSplit.TEST);
    assertEquals(List.of("landbird", "waterbird"), test.targets());
    assertEquals(List.of("land", "water"), test.attributes());
    holds(test, "001.Albatross/a.jpg 1 0", "001.Albatross/b.jpg 1 1", "002.Wren/c.jpg 0 1");
    assertEquals(List.of(1, 0, 0, 0), read("waterbirds", dir, GroupSplit.TRAIN).groupSizes());
    fails(() -> read("waterbirds", dir, GroupSplit.VALIDATION), "line 6", "002.Wren/e.jpg");
  }

  @Test
  void readsTypographicFolders() throws IOException {
    writeImages(
        dir,
        "label=dog_text=cat_0012.png",
        "label=dog_text=cat_font=serif_12.PNG",
        "label=ice cream_text=cat.jpg",
        "sub_1/label=cat_text=st. bernard.png");
    write(dir, "readme.txt", "not an image");
    GroupedSet set = read("typographic", dir, GroupSplit.ALL);
    List<String> words = List.of("cat", "dog", "ice cream", "st. bernard");
    assertEquals(words, set.targets());
    assertEquals(words, set.attributes());
    assertEquals(
        List.of(
            new Member("label=dog_text=cat_0012.png", 1, 0),
            new Member("label=dog_text=cat_font=serif_12.PNG", 1, 0),
            new Member("label=ice cream_text=cat.jpg", 2, 0),
            new Member("sub_1/label=cat_text=st. bernard.png", 0, 3)),
        set.members());
    assertEquals(
        List.of(
            "label=dog_text=cat_0012.png dog",
            "label=dog_text=cat_font=serif_12.PNG dog",
            "label=ice cream_text=cat.jpg ice cream",
            "sub_1/label=cat_text=st. bernard.png cat"),
        ImageSetTest.list(set.images()));
    assertEquals(List.of(0, 0, 0, 1, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0), set.groupSizes());
  }

  @Test
  void readsTables() throws IOException {
    writeImages(dir, "a.png", "p/b.png", "c d.png");
    Path csv = dir.resolve("t.csv");
    write(
        dir,
        "t.csv",
        """
        Split,file,target,attribute
        train,a.png,dog,snow
        Val,p//b.png,dog,grass
        2,c d.png,cat,"grass, dry"
        """);
    GroupedSet train = read("csv", csv, GroupSplit.TRAIN);
    assertEquals(List.of("cat", "dog"), train.targets());
    assertEquals(List.of("grass", "grass, dry", "snow"), train.attributes());
    assertEquals(List.of(new Member("a.png", 1, 2)), train.members());
    assertEquals(
        List.of(new Member("p/b.png", 1, 0)), read("csv", csv, GroupSplit.VALIDATION).members());
    assertEquals(
        List.of("a.png dog", "p/b.png dog", "c d.png cat"),
        ImageSetTest.list(read("csv", csv, GroupSplit.ALL).images()));
    write(dir, "t.tsv", "file\ttarget\tattribute\na.png\tx\ty\n");
    assertEquals(List.of(1), read("csv", dir.resolve("t.tsv"), GroupSplit.ALL).groupSizes());
  }

  @Test
  void balancesGroups() throws IOException {
    StringBuilder rows = new StringBuilder("file,target,attribute\n");
    for (int i = 0; i < 60; i++) {
      String name = "%02d.png".formatted(i);
      writeImages(dir, name);
      String group = i % 10 == 0 ? "b,y" : i % 3 == 0 ? "b,x" : "a,x";
      rows.append(name).append(',').append(group).append('\n');
    }
    write(dir, "t.csv", rows.toString());
    GroupedSet all = read("csv", dir.resolve("t.csv"), GroupSplit.ALL);
    assertEquals(List.of(36, 0, 18, 6), all.groupSizes());
    GroupedSet balanced = all.balanced(7);
    assertEquals(List.of(6, 0, 6, 6), balanced.groupSizes());
    assertTrue(all.members().containsAll(balanced.members()));
    List<String> ids = balanced.members().stream().map(Member::id).toList();
    assertEquals(ids.stream().sorted().distinct().toList(), ids);
    assertEquals(
        "00 05 07 10 16 20 30 32 36 38 39 40 42 45 50 51 53 57",
        String.join(" ", ids).replace(".png", ""));
    assertEquals(
        balanced.members().stream().map(m -> m.id() + " " + all.targets().get(m.target())).toList(),
        ImageSetTest.list(balanced.images()));
    assertEquals(all.balanced(7).members(), balanced.members());
    assertNotEquals(all.balanced(8).members(), balanced.members());
    assertEquals(balanced.members(), balanced.balanced(9).members());
    List<String> drawn = new ArrayList<>();
    for (int seed = 0; seed < 200; seed++) {
      all.balanced(seed).members().stream().map(Member::id).forEach(drawn::add);
    }
    assertEquals(60, drawn.stream().distinct().count());
  }

  static void celeba(Path dir, String attributes, String parts) throws IOException {
    write(dir, "list_attr_celeba.txt", attributes);
    write(dir, "list_eval_partition.txt", parts);
    for (String name :
        List.of("000001.jpg", "000002.png", "000003.png", "000004.png", "sub/5.png")) {
      writeImages(dir, "img_align_celeba/" + name);
    }
  }

  /** It fails with one line that has all the words. */
  static void fails(Supplier<GroupedSet> read, String... words) {
    InputException e = assertThrows(InputException.class, read::get, () -> String.join(" ", words));
    String message = e.getMessage() + "";
    for (String word : words) assertTrue(message.contains(word), word + " | " + message);
    assertFalse(message.contains("\n"), message);
  }

  static void writeImages(Path dir, String... names) throws IOException {
    for (String name : names) write(dir, name, "bytes of an image");
  }

  static void write(Path dir, String name, String text) throws IOException {
    Path file = dir.resolve(name);
    Path folder = file.getParent();
    if (folder != null) Files.createDirectories(folder);
    Files.writeString(file, text);
  }
}
