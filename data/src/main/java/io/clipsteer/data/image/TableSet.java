// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.image;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Reasons;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** Pictures named by a CSV or TSV table with a header; read row by row. */
record TableSet(Path origin, Path folder) implements ImageSet {
  private static final List<String> FILE = List.of("file", "path", "filename", "image");
  private static final List<String> LABEL = List.of("label", "index", "class");

  @Override
  public ImageCursor cursor() {
    try {
      BufferedReader reader = Files.newBufferedReader(origin);
      try {
        return new Cursor(reader);
      } catch (RuntimeException e) {
        reader.close();
        throw e;
      }
    } catch (IOException e) {
      throw unreadable(e);
    }
  }

  private InputException unreadable(IOException e) {
    return new InputException(
        origin, "cannot be read: " + Reasons.of(e), "It must be UTF-8 text", e);
  }

  private final class Cursor implements ImageCursor {
    private final BufferedReader reader;
    private final CsvReader rows;
    private final int fileColumn;
    private final int labelColumn;

    Cursor(BufferedReader reader) {
      this.reader = reader;
      boolean tabs = (origin.getFileName() + "").toLowerCase(Locale.ROOT).endsWith(".tsv");
      rows = new CsvReader(reader, tabs ? '\t' : ',');
      List<String> header = row();
      if (header == null) {
        throw new InputException(origin, "the table is empty", "Its first line names the columns");
      }
      fileColumn = column(header, FILE);
      labelColumn = column(header, LABEL);
      if (fileColumn < 0) {
        throw new InputException(
            origin, "no column is called " + String.join(", ", FILE), "Name one in the first line");
      }
    }

    private static int column(List<String> header, List<String> names) {
      for (String name : names) {
        for (int i = 0; i < header.size(); i++) {
          String cell = header.get(i).replace("\uFEFF", "").strip();
          if (cell.toLowerCase(Locale.ROOT).equals(name)) return i;
        }
      }
      return -1;
    }

    private @Nullable List<String> row() {
      try {
        return rows.next();
      } catch (IOException e) {
        throw unreadable(e);
      }
    }

    @Override
    public @Nullable ImageItem next() {
      List<String> row = row();
      if (row == null) return null;
      if (row.size() <= Math.max(fileColumn, labelColumn)) {
        throw new InputException(
            origin + ", line " + rows.line(), "it has too few columns", "Complete or delete it");
      }
      String id = ImageSet.inside(origin, row.get(fileColumn));
      String label = labelColumn < 0 ? null : row.get(labelColumn);
      return new ImageItem(id, label, () -> ImageDecoder.readAll(resolve(id)));
    }

    private Path resolve(String id) {
      try {
        return folder.resolve(id);
      } catch (java.nio.file.InvalidPathException e) {
        throw new InputException(origin, "'" + id + "' is no file name", "Correct the table", e);
      }
    }

    @Override
    public void close() {
      try {
        reader.close();
      } catch (IOException e) {
        throw unreadable(e);
      }
    }
  }
}
