// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.image;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * What a JPEG's markers say, read before the library decodes it: the size, how the samples are
 * coloured, whether the end is there, and whether the scans are worth decoding.
 */
final class JpegHeader {
  /** Ten times what any encoder writes; every scan costs a pass over the image. */
  private static final int MAX_SCANS = 100;

  /** One colour component; {@code reached} is the bit that each coefficient has come down to. */
  @SuppressWarnings("ArrayRecordComponent") // never compared
  record Component(int id, int h, int v, int[] reached) {}

  private final byte[] data;
  private int pos = 2;
  private int scans;
  private boolean jfif;
  private boolean progressive;
  private int adobe = -1;
  private int width;
  private int height;
  private final List<Component> components = new ArrayList<>();

  private JpegHeader(byte[] data) {
    this.data = data;
  }

  static JpegHeader read(byte[] data) throws BadImageException {
    JpegHeader header = new JpegHeader(data);
    header.walk();
    return header;
  }

  int width() {
    return width;
  }

  int height() {
    return height;
  }

  List<Component> components() {
    return components;
  }

  /** Whether the first three components are Y, Cb and Cr, as libjpeg guesses. */
  boolean isYcc() {
    if (components.size() == 4) return adobe > 0;
    if (jfif) return true;
    if (adobe >= 0) return adobe != 0;
    return components.get(0).id != 'R'
        || components.get(1).id != 'G'
        || components.get(2).id != 'B';
  }

  private void walk() throws BadImageException {
    int marker = nextMarker();
    while (marker != 0xD9) {
      if (marker != 0x01 && (marker < 0xD0 || marker > 0xD7)) {
        int length = u16(pos);
        int body = pos + 2;
        pos += length;
        if (length < 2) throw BadImageException.broken("a segment has length " + length);
        if (pos > data.length) throw BadImageException.truncated();
        segment(marker, body, pos);
      }
      marker = nextMarker();
    }
    if (components.isEmpty()) throw BadImageException.broken("it has no image");
    for (Component c : components) {
      if (c.reached[0] < 0) throw BadImageException.broken("a colour component has no data");
    }
  }

  /** Goes over coded data too; without an end marker the image is cut off. */
  private int nextMarker() throws BadImageException {
    while (pos + 1 < data.length) {
      int code = data[pos + 1] & 0xFF;
      if (data[pos] == (byte) 0xFF && code != 0 && code != 0xFF) {
        pos += 2;
        return code;
      }
      pos++;
    }
    throw BadImageException.truncated();
  }

  private void segment(int marker, int body, int end) throws BadImageException {
    switch (marker) {
      case 0xC0, 0xC1, 0xC2 -> {
        progressive = marker == 0xC2;
        frame(body, end);
      }
      case 0xDA -> scan(body, end);
      case 0xE0 -> jfif |= end - body >= 14 && startsWith(body, "JFIF\0");
      case 0xEE -> {
        if (end - body >= 12 && startsWith(body, "Adobe")) adobe = u8(body + 11);
      }
      case 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCC, 0xCD, 0xCE, 0xCF ->
          throw BadImageException.unsupported(
              "this kind of JPEG (lossless, hierarchical or arithmetic, marker %02X)"
                  .formatted(marker));
      default -> {
        // Tables are the library's business; comments, profiles and EXIF do not touch the pixels.
      }
    }
  }

  private void frame(int body, int end) throws BadImageException {
    if (!components.isEmpty()) throw BadImageException.broken("it has two frames");
    need(body, 6, end);
    if (u8(body) != 8) throw BadImageException.unsupported("a JPEG of " + u8(body) + " bits");
    height = u16(body + 1);
    width = u16(body + 3);
    int count = u8(body + 5);
    if (count != 1 && count != 3 && count != 4) {
      throw BadImageException.unsupported("a JPEG of " + count + " components");
    }
    need(body, 6 + 3 * count, end);
    for (int at = body + 6; at < body + 6 + 3 * count; at += 3) {
      int[] reached = new int[64];
      Arrays.fill(reached, -1);
      components.add(new Component(u8(at), u8(at + 1) >> 4, u8(at + 1) & 15, reached));
    }
  }

  /**
   * Each bit of a coefficient may come once. libjpeg only warns, but without this a small file
   * could ask for any number of passes over a large image.
   */
  private void scan(int body, int end) throws BadImageException {
    if (++scans > MAX_SCANS) throw BadImageException.unsupported("so many scans");
    need(body, 1, end);
    int count = u8(body);
    int at = body + 1 + 2 * count;
    need(body, 4 + 2 * count, end);
    int first = progressive ? u8(at) : 0;
    int last = progressive ? u8(at + 1) : 63;
    int high = progressive ? u8(at + 2) >> 4 : 0;
    int low = progressive ? u8(at + 2) & 15 : 0;
    if (last > 63) throw BadImageException.broken("a scan header is impossible");
    for (int i = 0; i < count; i++) {
      Component c = componentOf(u8(body + 1 + 2 * i));
      for (int k = first; k <= last; k++) {
        if (c.reached[k] != (high == 0 ? -1 : high)) {
          throw BadImageException.broken("its scans are out of order");
        }
        c.reached[k] = low;
      }
    }
  }

  private Component componentOf(int id) throws BadImageException {
    for (Component c : components) {
      if (c.id == id) return c;
    }
    throw BadImageException.broken("a scan names an unknown component");
  }

  private static void need(int at, int bytes, int end) throws BadImageException {
    if (at + bytes > end) throw BadImageException.broken("a segment is too short");
  }

  private boolean startsWith(int at, String text) {
    byte[] wanted = text.getBytes(StandardCharsets.ISO_8859_1);
    return Arrays.equals(data, at, at + wanted.length, wanted, 0, wanted.length);
  }

  private int u8(int at) throws BadImageException {
    if (at >= data.length) throw BadImageException.truncated();
    return data[at] & 0xFF;
  }

  private int u16(int at) throws BadImageException {
    return u8(at) << 8 | u8(at + 1);
  }
}
