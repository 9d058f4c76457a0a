// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.image;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;

/** The figures that {@code bench/peers/make_image_golden.py} took from PIL. */
public final class Golden {
  private Golden() {}

  public record Row(Map<String, String> cells) {
    public String get(String column) {
      String value = cells.get(column);
      if (value == null) throw new AssertionError("no column " + column);
      return value;
    }
  }

  public static List<Row> rows(String resource) {
    List<String> lines = new String(bytes(resource), StandardCharsets.UTF_8).lines().toList();
    String[] header = lines.get(0).split("\t", -1);
    List<Row> rows = new ArrayList<>();
    for (String line : lines.subList(1, lines.size())) {
      String[] cells = line.split("\t", -1);
      Map<String, String> row = new HashMap<>();
      for (int i = 0; i < header.length; i++) row.put(header[i], cells[i]);
      rows.add(new Row(row));
    }
    return rows;
  }

  public static byte[] bytes(String resource) {
    try (InputStream in = Golden.class.getResourceAsStream("/images/" + resource)) {
      if (in == null) throw new AssertionError("no test resource " + resource);
      return in.readAllBytes();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  public static String sha256(byte[] bytes) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError(e);
    }
  }

  /** Shortest edge to {@code size}, the middle square, offsets rounded half to even. */
  static RgbImage clipImage(RgbImage in, int size, PilResize.Filter filter) {
    int w = in.width();
    int h = in.height();
    int outWidth = w <= h ? size : (int) ((double) size * w / h);
    int outHeight = w <= h ? (int) ((double) size * h / w) : size;
    int x = (int) Math.rint((outWidth - size) / 2.0);
    int y = (int) Math.rint((outHeight - size) / 2.0);
    return PilResize.resize(in, outWidth, outHeight, filter, x, y, size, size);
  }
}
