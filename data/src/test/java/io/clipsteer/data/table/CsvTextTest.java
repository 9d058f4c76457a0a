// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.table;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class CsvTextTest {
  @Test
  void readsBackAsWritten(@TempDir Path temp) throws Exception {
    CsvText text = new CsvText("word", "value", "note");
    text.row("a,b", 0.5, "say \"yes\"");
    text.row(List.of("plain", true, "two\nlines"));
    text.row("last", null, "x");
    assertEquals(
        "word,value,note\n\"a,b\",0.5,\"say \"\"yes\"\"\"\nplain,true,\"two\nlines\"\nlast,,x\n",
        text.toString());
    Path file = Files.writeString(temp.resolve("t.csv"), text.toString());
    try (TableRows rows = TableRows.open(file)) {
      assertEquals(List.of("word", "value", "note"), rows.names());
      assertEquals(List.of("a,b", "0.5", "say \"yes\""), rows.next());
      assertEquals(List.of("plain", "true", "two\nlines"), rows.next());
      assertEquals(List.of("last", "", "x"), rows.next());
      assertNull(rows.next());
    }
  }
}
