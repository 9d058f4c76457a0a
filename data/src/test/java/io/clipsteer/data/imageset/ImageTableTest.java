// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.imageset;

import static io.clipsteer.data.imageset.ImageSetTest.list;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.data.image.Golden;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class ImageTableTest {
  @TempDir Path dir;

  @BeforeEach
  void images() throws IOException {
    byte[] image = Golden.bytes("files/grey.jpg");
    for (String name : List.of("dog/1.png", "cat/2.png", "cat/e\u0301te\u0301.png", "z.png")) {
      Path file = dir.resolve("pics").resolve(name);
      Files.createDirectories(file.getParent());
      Files.write(file, image);
    }
  }

  @Test
  void anEmptyCellIsNoLabel() throws IOException {
    ImageSet set = table("pics/t.csv", "file,label\ndog/1.png,dog\nz.png,\ncat/2.png,\" \"\n");
    assertEquals(List.of("dog/1.png dog", "z.png null", "cat/2.png null"), list(set));
    assertEquals(List.of("2 images have an empty label cell"), set.listing().notes());
    assertEquals(3, set.listing().images());
  }

  @Test
  void takesStatedColumnsAndNamesTheOthers() throws IOException {
    ImageSet set = table("pics/t.tsv", "id\tindex\tlabel\tfile\n7\t0\tdog\tdog/1.png\n");
    assertEquals(List.of("dog/1.png dog"), list(set));
    assertEquals(
        List.of("takes column file as the file, label as the label; not used: id, index"),
        set.listing().notes());
    set = table("pics/t.csv", ",File_Name,kind\n0,dog/1.png,dog\n");
    assertEquals(List.of("dog/1.png null"), list(set));
    assertEquals(
        List.of("takes column File_Name as the file, none as the label; not used: column 1, kind"),
        set.listing().notes());
    assertEquals(List.of(), table("pics/t.csv", "path,class\nz.png,1\n").listing().notes());
    assertEquals("1", label(read("pics/t.csv"), "z.png"));
  }

  @Test
  void namesAreEqualHoweverTheyAreWritten() throws IOException {
    ImageSet set =
        table("pics/t.csv", "file,label\n.\\dog\\1.png,dog\n./cat//2.png,cat\n./z.png,\n");
    assertEquals(List.of("dog/1.png dog", "cat/2.png cat", "z.png null"), list(set));
    write("t.csv", "file,label\n.\\dog\\1.png,dog\ncat/\u00E9t\u00E9.png,cat\n");
    ImageTable.Joined joined = read("t.csv").join(ImageSet.open(dir.resolve("pics")));
    assertEquals(List.of("dog/1.png dog", "cat/e\u0301te\u0301.png cat"), list(joined.images()));
  }

  @Test
  void refusesTwoLabelsAndCountsRepeatedRows() throws IOException {
    write("t.csv", "file,label\ndog/1.png,dog\n\n./dog/1.png,cat\n");
    refused("t.csv", "line 4", "'dog/1.png' \"cat\"", "line 2 labels it \"dog\"");
    write("t.csv", "file,label\ndog/1.png,dog\ndog/1.png,\ndog\\1.png,cat\n");
    refused("t.csv", "line 4", "line 2");
    write("t.csv", "file,label\ndog/1.png,\ndog/1.png,dog\nz.png,z\nz.png,z\n");
    ImageTable table = read("t.csv");
    assertEquals(4, table.count());
    assertEquals(2, table.rows().size());
    assertEquals("dog", label(table, "dog/1.png"));
    assertEquals(
        List.of("line 3 (dog/1.png)", "line 5 (z.png)"),
        table.repeated().stream().map(Listing.Skip::name).toList());
    write("t.csv", "file,label\n,dog\n");
    refused("t.csv", "line 2", "names no file");
  }

  @Test
  void reportsTheJoin() throws IOException {
    write("t.csv", "file,label\ndog/1.png,dog\nnone.png,x\ndog/1.png,dog\nz.png,\n");
    ImageSet pics = ImageSet.open(dir.resolve("pics"));
    ImageTable.Joined joined = read("t.csv").join(pics.spread(1));
    JoinReport report = joined.report();
    assertEquals(List.of("dog/1.png dog", "z.png null"), list(joined.images()));
    assertEquals(4, report.rows());
    assertEquals(2, report.matched());
    assertEquals(1, report.repeated());
    assertEquals(1, report.empty());
    assertEquals(List.of("line 3 none.png"), report.unmatchedNames());
    assertEquals(2, report.withoutRow());
    assertTrue(
        report
            .toString()
            .endsWith(
                "column file as the file, label as the label; 4 rows: 2 matched, 1 more of the same"
                    + " files (line 4 (dog/1.png)), 1 empty label cell, 1 without an image (line 3"
                    + " none.png); 2 images without a row (cat/2.png, cat/e\u0301te\u0301.png)"),
        report.toString());
    write("t.csv", "file,label\npics/dog/1.png,dog\n");
    InputException e = assertThrows(InputException.class, () -> read("t.csv").join(pics));
    assertTrue(
        String.valueOf(e.getMessage()).contains("line 2 pics/dog/1.png; an image of it is cat/2"),
        e.getMessage());
  }

  /** Rows in = images + repeated rows, or an error; joined: rows = matched + unmatched + more. */
  @Test
  void accountsForEveryRow() throws IOException {
    SplittableRandom random = new SplittableRandom(5);
    ImageSet pics = ImageSet.open(dir.resolve("pics"));
    List<String> names =
        List.of("dog/1.png", "./cat/2.png", "z.png", "none.png", "dog\\1.png", "a/b", "\u00E9.png");
    int refused = 0;
    for (int i = 0; i < 2000; i++) {
      int count = 1 + random.nextInt(8);
      List<String> rows = new ArrayList<>(List.of("file,label"));
      for (int r = 0; r < count; r++) {
        String label = List.of("", "x", "x", "x", "y").get(random.nextInt(5));
        rows.add(names.get(random.nextInt(names.size())) + "," + label);
      }
      write("t.csv", String.join("\n", rows));
      try {
        Listing listing = ImageSet.table(dir.resolve("t.csv")).listing();
        assertEquals(count, listing.images() + listing.skippedCount(), rows.toString());
        JoinReport report = read("t.csv").join(pics).report();
        assertEquals(count, report.matched() + report.unmatched() + report.repeated());
        assertEquals(4, report.matched() + report.withoutRow());
      } catch (InputException e) {
        String message = String.valueOf(e.getMessage());
        assertTrue(message.contains("line "), message);
        refused++;
      }
    }
    assertTrue(refused > 200 && refused < 1800, refused + " refused");
  }

  private static @Nullable String label(ImageTable table, String key) {
    return Objects.requireNonNull(table.rows().get(key)).label();
  }

  private ImageSet table(String name, String text) throws IOException {
    write(name, text);
    return ImageSet.open(dir.resolve(name));
  }

  private void write(String name, String text) throws IOException {
    Files.writeString(dir.resolve(name), text);
  }

  private ImageTable read(String name) {
    return ImageTable.read(dir.resolve(name), ImageTable.LABEL);
  }

  private void refused(String name, String... parts) {
    InputException e = assertThrows(InputException.class, () -> read(name));
    for (String part : parts) {
      assertTrue(String.valueOf(e.getMessage()).contains(part), part + " | " + e.getMessage());
    }
  }
}
