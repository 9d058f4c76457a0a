// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.tensor;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/** Makes damaged and hostile files, the same ones every time. */
final class Damage {
  private static final long[] ABSURD = {
    0, 1, -1, 2, 3, 255, 256, 1L << 31, 1L << 32, 1L << 40, 1L << 62, Long.MAX_VALUE, Long.MIN_VALUE
  };
  private static final String[] GLOBALS = {
    "collections\nOrderedDict\n",
    "torch._utils\n_rebuild_tensor_v2\n",
    "torch\nFloatStorage\n",
    "torch._utils\n_rebuild_tensor_v3\n",
    "torch._utils\n_rebuild_parameter\n",
    "os\nsystem\n",
    "builtins\neval\n",
    "argparse\nNamespace\n",
    "__torch__.M\nM\n",
    "torch\nSize\n",
    "torch._tensor\n_rebuild_from_type_v2\n",
    "torch.jit._pickle\nrestore_type_tag\n",
    "no line end"
  };
  private static final byte[] OPCODES =
      ("().N012KMJGXTUBCt]ledsau}qrhjcRobQ\u0080\u0081\u0085\u0086\u0087\u0088\u0089\u008a\u008b"
              + "\u008c\u008d\u008e\u008f\u0090\u0091\u0092\u0093\u0094\u0095\u0096iPSVILF\u0097")
          .getBytes(StandardCharsets.ISO_8859_1);

  private final SplittableRandom random;

  Damage(long seed) {
    random = new SplittableRandom(seed);
  }

  /** One to four kinds of harm to a good file. */
  byte[] harm(byte[] good) {
    byte[] bytes = good.clone();
    for (int n = random.nextInt(1, 5); n > 0 && bytes.length > 8; n--) {
      int at = place(bytes.length);
      switch (random.nextInt(6)) {
        case 0 -> bytes = Arrays.copyOf(bytes, at);
        case 1 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
        case 2 -> bytes[at] = (byte) random.nextInt(256);
        case 3 -> putLong(bytes, at, absurd());
        case 4 -> bytes = splice(bytes, at, random.nextInt(1, 64));
        default -> {
          for (int i = at; i < Math.min(bytes.length, at + 16); i++)
            bytes[i] = (byte) random.nextInt();
        }
      }
    }
    return bytes;
  }

  /** Mostly the start and the end, where headers and directories are. */
  private int place(int length) {
    return switch (random.nextInt(4)) {
      case 0 -> random.nextInt(Math.min(length, 64));
      case 1 -> length - 1 - random.nextInt(Math.min(length, 1200));
      default -> random.nextInt(length);
    };
  }

  long absurd() {
    return ABSURD[random.nextInt(ABSURD.length)] + random.nextInt(-1, 2);
  }

  private static void putLong(byte[] bytes, int at, long value) {
    ByteBuffer eight = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(0, value);
    System.arraycopy(eight.array(), 0, bytes, at, Math.min(8, bytes.length - at));
  }

  private byte[] splice(byte[] bytes, int at, int count) {
    if (random.nextBoolean()) { // cut out
      byte[] rest = Arrays.copyOf(bytes, Math.max(at, bytes.length - count));
      int from = Math.min(bytes.length, at + count);
      System.arraycopy(bytes, from, rest, at, Math.min(bytes.length - from, rest.length - at));
      return rest;
    }
    byte[] more = Arrays.copyOf(bytes, bytes.length + count);
    System.arraycopy(bytes, at, more, at + count, bytes.length - at);
    return more;
  }

  /** A safetensors file whose header lies. */
  byte[] lyingHeader() {
    StringBuilder json = new StringBuilder("{");
    for (int n = random.nextInt(1, 6); n > 0; n--) {
      if (json.length() > 1) json.append(',');
      String name = random.nextInt(8) == 0 ? "__metadata__" : "t" + random.nextInt(5);
      String dtype = pick("F32", "BF16", "I64", "BOOL", "F8_E4M3", "", "f32");
      json.append('"').append(name).append("\":{\"dtype\":\"").append(dtype);
      json.append("\",\"shape\":[").append(number());
      for (int rank = random.nextInt(4); rank > 0; rank--) json.append(',').append(number());
      json.append("],\"data_offsets\":[")
          .append(number())
          .append(',')
          .append(number())
          .append("]}");
    }
    json.append(pick("}", "", "} ", "}}", ",}", "}x"));
    if (random.nextInt(10) == 0) json.insert(1, "\"a\":" + "[{\"a\":".repeat(random.nextInt(5000)));
    byte[] text = json.toString().getBytes(StandardCharsets.UTF_8);
    long length = random.nextInt(4) == 0 ? absurd() : text.length;
    byte[] bytes = new byte[8 + text.length + random.nextInt(64)];
    putLong(bytes, 0, length);
    System.arraycopy(text, 0, bytes, 8, text.length);
    return bytes;
  }

  private String number() {
    return switch (random.nextInt(5)) {
      case 0 -> Long.toString(absurd());
      case 1 -> pick("1e3", "0.5", "\"4\"", "null", "99999999999999999999", "-0", "01");
      default -> Integer.toString(4 * random.nextInt(5));
    };
  }

  private String pick(String... choices) {
    return choices[random.nextInt(choices.length)];
  }

  /** A pickle of random opcodes with mostly plausible operands. */
  byte[] pickle() {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(new byte[] {(byte) 0x80, 2});
    if (random.nextInt(20) == 0) {
      byte[] nest = new byte[random.nextInt(1, 60_000)];
      Arrays.fill(nest, OPCODES[random.nextInt(OPCODES.length)]);
      out.writeBytes(nest);
    }
    for (int n = random.nextInt(200); n > 0; n--)
      opcode(out, OPCODES[random.nextInt(OPCODES.length)]);
    out.write('.');
    return out.toByteArray();
  }

  private void opcode(ByteArrayOutputStream out, byte op) {
    out.write(op);
    switch (op & 0xff) {
      case 'K', 'q', 'h' -> out.write(random.nextInt(8));
      case 'c' ->
          out.writeBytes(GLOBALS[random.nextInt(GLOBALS.length)].getBytes(StandardCharsets.UTF_8));
      case 'X', 'T', 'B', 'J', 'r', 'j', 0x8b -> number(out, 4);
      case 0x8d, 0x8e, 0x96, 'G', 0x95 -> number(out, 8);
      case 'U', 'C', 0x8a, 0x8c -> number(out, 1);
      case 'M' -> number(out, 2);
      default -> {}
    }
  }

  private void number(ByteArrayOutputStream out, int width) {
    long value = random.nextInt(3) == 0 ? absurd() : random.nextInt(4);
    for (int i = 0; i < width; i++) out.write((int) (value >> (8 * i)));
    for (long i = Math.clamp(value, 0, 4); i > 0; i--) out.write('a');
  }

  /**
   * The pickle of a tensor with hostile offset, shape and strides over a storage of four floats.
   */
  byte[] tensorPickle() {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    ascii(out, "\u0080\u0002}X\u0001\0\0\0wctorch._utils\n_rebuild_tensor_v2\n((");
    ascii(out, "X\u0007\0\0\0storagectorch\n" + pick("Float", "Long", "Bool", "ComplexFloat"));
    ascii(out, "Storage\nX\u0001\0\0\0" + pick("0", "1") + "X\u0003\0\0\0cpu");
    integer(out);
    ascii(out, "tQ");
    integer(out);
    for (int list = 0; list < 2; list++) {
      ascii(out, "(");
      for (int rank = random.nextInt(4); rank > 0; rank--) integer(out);
      ascii(out, "t");
    }
    ascii(out, "\u0089ccollections\nOrderedDict\n)RtRs.");
    return out.toByteArray();
  }

  private void integer(ByteArrayOutputStream out) {
    out.write(0x8a);
    out.write(8);
    long value = random.nextInt(3) == 0 ? absurd() : random.nextInt(5);
    for (int i = 0; i < 8; i++) out.write((int) (value >> (8 * i)));
  }

  private static void ascii(ByteArrayOutputStream out, String text) {
    out.writeBytes(text.getBytes(StandardCharsets.ISO_8859_1));
  }

  /** A torch archive around a pickle, with one storage of 16 bytes and one that is empty. */
  static byte[] archive(byte[] pickle) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try (ZipOutputStream zip = new ZipOutputStream(out)) {
      store(zip, "r/data.pkl", pickle);
      store(zip, "r/data/0", new byte[16]);
      store(zip, "r/data/1", new byte[0]);
    }
    return out.toByteArray();
  }

  static void store(ZipOutputStream zip, String name, byte[] content) throws IOException {
    CRC32 crc = new CRC32();
    crc.update(content);
    ZipEntry entry = new ZipEntry(name);
    entry.setMethod(ZipEntry.STORED);
    entry.setSize(content.length);
    entry.setCrc(crc.getValue());
    zip.putNextEntry(entry);
    zip.write(content);
    zip.closeEntry();
  }

  /** An index whose shard names try to leave the folder. */
  byte[] index() {
    StringBuilder json = new StringBuilder("{\"metadata\":{\"a\":[1,{}]},\"weight_map\":{");
    for (int n = random.nextInt(1, 5); n > 0; n--) {
      String shard =
          pick(
              "good.safetensors",
              "../good.safetensors",
              "/etc/passwd",
              "..",
              "",
              ".",
              "a/b",
              "a\\\\b",
              "C:x",
              "\\u0000",
              "missing",
              "good.safetensors\\n",
              "%2e%2e%2fgood",
              "x".repeat(300));
      json.append('"').append(pick("a", "b", "i64", "t" + n)).append("\":\"").append(shard);
      json.append(n > 1 ? "\"," : "\"");
    }
    json.append(pick("}}", "}", "}},", "}} "));
    return json.toString().getBytes(StandardCharsets.UTF_8);
  }
}
