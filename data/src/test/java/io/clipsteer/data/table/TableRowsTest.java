// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.table;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class TableRowsTest {
  @TempDir Path dir;

  /** What each way to write two rows must give; cells by hand. */
  @Test
  void readsTablesAsProgramsWriteThem() throws IOException {
    List<List<String>> plain = List.of(List.of("file", "label"), List.of("a.png", "cat, tabby"));
    assertEquals(plain, read("t.csv", "file,label\na.png,\"cat, tabby\"\n"));
    assertEquals(plain, read("t.csv", "\uFEFFfile,label\r\na.png,\"cat, tabby\""));
    assertEquals(plain, read("t.csv", " file , label \n\n \n , \n a.png , \"cat, tabby\" \n\n"));
    assertEquals(plain, read("t.csv", "file,label\ra.png,\"cat, tabby\"\r"));
    assertEquals(plain, read("t.csv", "\"file\",\"label\"\n\"a.png\",\"cat, tabby\"\n"));
    assertEquals(plain, read("t.tsv", "file\tlabel\na.png\tcat, tabby\n"));
    assertEquals(plain, read("t.TSV", "file\tlabel\r\na.png\t\"cat, tabby\"\r\n"));
    assertEquals(plain, read("t.tab", "file\tlabel\n\t\na.png\t cat, tabby\n"));
    assertEquals(plain, read("t.txt", "file\tlabel\na.png\tcat, tabby\n"));
    assertEquals(plain, read("t", "file,label\na.png,\"cat, tabby\"\n"));
    assertEquals(
        List.of(List.of("file", "label"), List.of("a.png", "cat")),
        read("t.txt", "file  label\n a.png   cat \n"));
    assertEquals(
        List.of(List.of("file", "label"), List.of("a.png", "5\" dish \"x\"\nand\nline")),
        read("t.csv", "file,label\na.png,\"5\"\" dish \"\"x\"\"\r\nand\nline\"\n"));
    assertEquals(
        List.of(List.of("file", "label"), List.of("5\" a.png", "")),
        read("t.csv", "file,label\n5\" a.png,\n"));
    assertEquals(List.of(List.of("file"), List.of("a,b")), read("t.csv", "file\n\"a,b\"\n"));
    assertEquals(
        List.of(List.of("", "file"), List.of("0", "a.png")), read("t.csv", ",file\n0,a.png\n"));
  }

  @Test
  void namesTheLineOfEveryFault() throws IOException {
    refused("t.csv", "file,label\na.png,cat, tabby\n", "line 2", "3 cells for 2", "cat | tabby");
    refused("t.csv", "file,label\n\n\"a\nb\",x\nonly\n", "line 5", "1 cell for 2");
    refused("t.tsv", "file\tlabel\na\tb\tc\n", "line 2", "3 cells for 2");
    refused("t.csv", "file;label\na;b\n", "line 1", "parted by ';', not by commas");
    refused("t.csv", "sep=;\nfile;label\n", "line 1", "parted by ';'");
    refused("t.csv", "file\tlabel\na\tb\n", "line 1", "parted by tabs, not by commas");
    refused("t.tsv", "file,label\na,b\n", "line 1", "parted by commas, not by tabs");
    refused("t.csv", "file|label\na|b\n", "line 1", "parted by '|'");
    refused("t.csv", "file,label,File\na,b,c\n", "line 1", "two columns are called File");
    refused("t.csv", "file,label\na,\"b\n\n", "line 2", "opened on line 2 does not close");
    refused("t.csv", "file,label\na,\"b\"c\n", "line 2", "text follows a closing quote");
    refused("t.csv", "", "the table is empty");
    refused("t.csv", "\uFEFF\n \n", "the table is empty");
    refused("t.csv", "file,label\n", "a header and no row");
    refused("t.csv", "file,label\n,\n", "a header and no row");
    refused("t.csv", "file,label\na," + "x".repeat(2 << 20), "line 2", "over 1048576 characters");
    Files.write(
        dir.resolve("t.csv"), "file,label\na,b\nc,é\n".getBytes(StandardCharsets.ISO_8859_1));
    fails("line 3", "not UTF-8");
    Files.write(dir.resolve("t.csv"), "file\na\n".getBytes(StandardCharsets.UTF_16));
    fails("UTF-16");
  }

  /** What Python's csv module reads of random quoted tables; bench/peers/make_csv_golden.py. */
  @Test
  void readsWhatPythonReads() throws IOException {
    String golden = new String(resource("table/csv.bin"), StandardCharsets.UTF_8);
    int compared = 0;
    for (String part : golden.split("\u001D", -1)) {
      if (part.isBlank()) continue;
      String[] two = part.split("\u001C", -1);
      List<List<String>> expected = new ArrayList<>();
      for (String row : two[2].split("\u001E", -1)) expected.add(List.of(row.split("\u001F", -1)));
      assertEquals(expected, read("g." + two[0].strip(), two[1]), two[1]);
      compared++;
    }
    assertEquals(200, compared);
  }

  /** Rows in = rows out, or an error that names the file; of one table in many states of repair. */
  @Test
  void keepsEveryRowOfMutatedTables() throws IOException {
    SplittableRandom random = new SplittableRandom(7);
    int refused = 0;
    for (int i = 0; i < 10_000; i++) {
      TableMutation table = TableMutation.draw(random);
      List<List<String>> read;
      try {
        read = read(table.name(), table.text());
      } catch (InputException e) {
        assertTrue(String.valueOf(e.getMessage()).contains("t."), e.toString());
        assertTrue(table.mayBeRefused(), () -> e + "\n" + table.text());
        refused++;
        continue;
      }
      assertEquals(table.expected(), read, table::text);
    }
    assertTrue(refused > 2000 && refused < 8000, refused + " of 10000 refused");
  }

  private static byte[] resource(String name) throws IOException {
    try (var in = TableRowsTest.class.getResourceAsStream("/" + name)) {
      if (in == null) throw new IOException("no " + name);
      return in.readAllBytes();
    }
  }

  private List<List<String>> read(String name, String text) throws IOException {
    Path file = dir.resolve(name);
    Files.writeString(file, text);
    return read(file);
  }

  private static List<List<String>> read(Path file) {
    List<List<String>> all = new ArrayList<>();
    try (TableRows rows = TableRows.open(file)) {
      all.add(rows.names());
      for (List<String> row = rows.next(); row != null; row = rows.next()) all.add(row);
    }
    return all;
  }

  private void refused(String name, String text, String... parts) throws IOException {
    Files.writeString(dir.resolve(name), text);
    fails(dir.resolve(name), parts);
  }

  private void fails(String... parts) {
    fails(dir.resolve("t.csv"), parts);
  }

  private static void fails(Path file, String... parts) {
    InputException e = assertThrows(InputException.class, () -> read(file));
    for (String part : parts) {
      assertTrue(String.valueOf(e.getMessage()).contains(part), part + " | " + e.getMessage());
    }
  }
}
