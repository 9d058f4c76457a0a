// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.imageset;

import static io.clipsteer.data.imageset.GroupedSetTest.fails;
import static io.clipsteer.data.imageset.GroupedSetTest.read;
import static io.clipsteer.data.imageset.GroupedSetTest.write;
import static io.clipsteer.data.imageset.GroupedSetTest.writeImages;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.data.imageset.GroupedSet.Member;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class GroupSourceTest {
  @TempDir Path dir;

  private static List<String> ids(GroupedSet set) {
    return set.members().stream().map(Member::id).toList();
  }

  @Test
  void readsTheDisentanglingAnnotations() throws IOException {
    String json =
        """
        {"a.jpg": {"true object": "cup", "typographic attack label": "ipod", "more": 1},
         "b c.jpg": {"typographic attack label": "cup", "true object": "rifle"}}
        """;
    write(dir, "typographic_attack_dataset/annotations.json", json);
    write(dir, "typographic_attack_dataset/classes.json", "{}");
    writeImages(dir, "typographic_attack_dataset/images/a.jpg");
    writeImages(dir, "typographic_attack_dataset/images/b c.jpg");
    GroupedSet set = read("disentangling", dir, GroupedSet.GroupSplit.ALL);
    assertEquals(List.of("cup", "ipod", "rifle"), set.targets());
    assertEquals(
        List.of(new Member("images/a.jpg", 0, 1), new Member("images/b c.jpg", 2, 0)),
        set.members());
    assertEquals(
        set.members(),
        read("disentangling", dir.resolve("typographic_attack_dataset"), GroupedSet.GroupSplit.ALL)
            .members());
    Path root = dir.resolve("typographic_attack_dataset");
    write(root, "annotations.json", json.replace("true object", "object"));
    fails(
        () -> read("disentangling", dir, GroupedSet.GroupSplit.ALL),
        "annotations.json",
        "a.jpg",
        "true object");
    write(root, "annotations.json", json.replace("\"ipod\"", "7"));
    fails(
        () -> read("disentangling", dir, GroupedSet.GroupSplit.ALL),
        "a.jpg",
        "typographic attack label");
    write(root, "annotations.json", "[1]");
    fails(() -> read("disentangling", dir, GroupedSet.GroupSplit.ALL), "no JSON object");
    write(root, "annotations.json", "{");
    fails(() -> read("disentangling", dir, GroupedSet.GroupSplit.ALL), "cut off");
    write(root, "annotations.json", json.replace("a.jpg", "../a.jpg"));
    fails(() -> read("disentangling", dir, GroupedSet.GroupSplit.ALL), "'..'");
    Path empty = Files.createDirectory(dir.resolve("empty"));
    fails(
        () -> read("disentangling", empty, GroupedSet.GroupSplit.ALL),
        "no annotations.json",
        "no folder images");
  }

  @Test
  void namesAllThatIsMissingAtOnce() throws IOException {
    Path none = Files.createDirectory(dir.resolve("none"));
    fails(
        () -> read("celeba", none, GroupedSet.GroupSplit.TEST),
        "list_attr_celeba.csv",
        "list_eval_partition.csv",
        "no folder img_align_celeba");
    StringBuilder rows = new StringBuilder("file,target,attribute\n");
    for (int i = 0; i < 30; i++) rows.append("p%02d.png,a,b\n".formatted(i));
    write(dir, "t.csv", rows.toString());
    writeImages(dir, "p00.png", "p02.png");
    fails(
        () -> read("csv", dir.resolve("t.csv"), GroupedSet.GroupSplit.ALL),
        "t.csv, line 3",
        "'p01.png', 'p03.png', 'p04.png'",
        "'p21.png' and 8 more");
  }

  @Test
  void dealsGroupsOutWithoutOverlap() throws IOException {
    StringBuilder rows = new StringBuilder("file,target,attribute\n");
    for (int i = 0; i < 100; i++) {
      writeImages(dir, "%02d.png".formatted(i));
      rows.append("%02d.png,%s\n".formatted(i, i == 50 ? "c,x" : i % 5 == 0 ? "a,y" : "b,x"));
    }
    write(dir, "t.csv", rows.toString());
    GroupSource source = GroupSource.parse("--data", "csv:" + dir.resolve("t.csv"));
    GroupSource.Parts parts = source.parts(4);
    assertTrue(parts.dealt());
    TreeSet<String> all = new TreeSet<>(ids(parts.train()));
    all.addAll(ids(parts.validation()));
    all.addAll(ids(parts.test()));
    assertEquals(100, all.size());
    assertEquals(List.of(0, 5, 20, 0, 0, 0), parts.train().groupSizes());
    assertEquals(List.of(0, 5, 20, 0, 0, 0), parts.validation().groupSizes());
    assertEquals(List.of(0, 9, 40, 0, 1, 0), parts.test().groupSizes());
    assertEquals(ids(parts.test()), ids(source.parts(4).test()));
    assertNotEquals(ids(parts.test()), ids(source.parts(5).test()));
    assertEquals(List.of(0, 3, 3, 0, 1, 0), source.all().atMost(3, 1).groupSizes());
  }

  @Test
  void takesTheSplitsThatTheFilesName() throws IOException {
    String rows = "file,target,attribute,split\n1.png,a,x,train\n2.png,b,x,val\n3.png,a,y,test\n";
    write(dir, "t.csv", rows);
    writeImages(dir, "1.png", "2.png", "3.png");
    GroupSource.Parts parts = GroupSource.parse("--data", "csv:" + dir.resolve("t.csv")).parts(1);
    assertFalse(parts.dealt());
    assertEquals(List.of("1.png"), ids(parts.train()));
    assertEquals(List.of("2.png"), ids(parts.validation()));
    assertEquals(List.of("3.png"), ids(parts.test()));
    // One split alone is dealt out.
    write(dir, "t.csv", rows.replace("train", "test").replace("val", "test"));
    assertTrue(GroupSource.parse("--data", "csv:" + dir.resolve("t.csv")).parts(1).dealt());
  }

  @Test
  void readsClassFolders() throws IOException {
    writeImages(dir, "dog/1.png", "cat/2.png", "dog/3.png");
    GroupedSet set = GroupedSet.labelled(ImageSet.open(dir), "nothing");
    assertEquals(List.of("cat", "dog"), set.targets());
    GroupedSetTest.holds(set, "cat/2.png 0 0", "dog/1.png 1 0", "dog/3.png 1 0");
    fails(() -> GroupedSet.labelled(ImageSet.folder(dir), "x"), "none of its images has a label");
    writeImages(dir, "preview.png");
    GroupedSet strays = GroupedSet.labelled(ImageSet.open(dir), "nothing");
    assertEquals(set.members(), strays.members());
    assertEquals(List.of("cat/2.png", "dog/1.png", "dog/3.png"), ids(strays));
  }

  @Test
  void refusesOtherNames() {
    for (String text : List.of("celeba", "celeba:", "faces:dir", "")) {
      InputException e =
          assertThrows(InputException.class, () -> GroupSource.parse("--data", text));
      assertTrue(String.valueOf(e.getMessage()).contains("waterbirds"), e.getMessage());
    }
  }
}
