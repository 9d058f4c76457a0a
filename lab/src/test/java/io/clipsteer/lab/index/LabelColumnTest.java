// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Columns that add nothing to the others. */
final class LabelColumnTest {
  @TempDir private Path temp;

  private List<LabelColumn> find(String table, int images) throws IOException {
    Path file = temp.resolve("labels.tsv");
    Files.writeString(file, table.replace(' ', '\t'));
    Labels labels = Labels.read(file);
    var known = new Association.ImageLabels();
    for (int i = 0; i < images; i++) {
      int[] of = labels.of("p" + i + ".png", null);
      if (of != null) known.add(i, of);
    }
    List<LabelColumn> found = LabelColumn.find(labels.all(), known);
    boolean[] kept = LabelColumn.kept(labels.all(), found);
    for (int l = 0; l < kept.length; l++) {
      String factor = labels.all().get(l).factor();
      assertEquals(found.stream().noneMatch(one -> one.column().equals(factor)), kept[l], factor);
    }
    return found;
  }

  @Test
  void constantUniqueAndDuplicateColumnsAreFound() throws IOException {
    String table =
        """
        file class wnid index set id half near
        p0.png dog n02 7 train a x u
        p1.png dog n02 7 train b y u
        p2.png cat n01 3 train c x v
        p3.png cat n01 3 train d y u
        p4.png bird n09 1 train e x w
        p5.png bird n09 1 train f y w
        """;
    assertEquals(
        List.of(
            new LabelColumn("wnid", "duplicate", "class"),
            new LabelColumn("index", "duplicate", "class"),
            new LabelColumn("set", "constant", null),
            new LabelColumn("id", "unique", null)),
        find(table, 6));
  }

  /** Of the images that were read: a column may be constant on these alone. */
  @Test
  void imagesThatWereNotReadDoNotCount() throws IOException {
    String table =
        """
        file class wnid
        p0.png dog n02
        p1.png cat n01
        p2.png dog n02
        p9.png dog n77
        """;
    assertEquals(List.of(new LabelColumn("wnid", "duplicate", "class")), find(table, 3));
    assertEquals(2, find(table, 1).size());
  }

  /** A column with an empty cell divides other images. */
  @Test
  void anEmptyCellIsNoValue() throws IOException {
    String table =
        """
        file class wnid
        p0.png dog n02
        p1.png cat n01
        p2.png dog n02
        p3.png cat\s
        p4.png dog n02
        """;
    assertEquals(List.of(), find(table, 5));
    assertArrayEquals(new boolean[0], LabelColumn.kept(List.of(), List.of()));
  }

  @Test
  void sentencesSayWhatIsIgnored() {
    assertEquals(
        "labels: column wnid is class under other names; it is ignored",
        new LabelColumn("wnid", "duplicate", "class").sentence());
  }
}
