// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.image;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeout;

import io.clipsteer.data.InputException;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.zip.CRC32;
import java.util.zip.Deflater;
import org.junit.jupiter.api.Test;

/** What the libraries' readers would do with a hostile file, were they let. */
final class LibraryReaderTest {
  private static final Duration SOON = Duration.ofSeconds(2);

  @Test
  void theJdksOwnReadersAreChosen() {
    for (String format : List.of("jpeg", "png", "gif", "bmp")) {
      assertEquals("java.desktop", LibraryReader.ofJdk(format).getClass().getModule().getName());
    }
  }

  /** Two megabytes of LZW codes for strings of thousands of pixels, after a frame of one. */
  @Test
  void dataBeyondAFullGifFrameAreNotUnpacked() {
    ByteArrayOutputStream gif = new ByteArrayOutputStream();
    byte[] one = Golden.bytes("files/interlaced1.gif");
    int data = one.length;
    while (one[data - 1] != 8 || one[data - 11] != ',') data--;
    gif.write(one, 0, data);
    byte[] block = new byte[256];
    block[0] = (byte) 255;
    for (int i = 0; i < 8000; i++) gif.writeBytes(block);
    gif.write(0);
    byte[] bytes = gif.toByteArray();
    assertTimeout(SOON, () -> ImageDecoder.decode(bytes, "gif"));
  }

  /** Profiles and texts that inflate a thousandfold, and a checksum that is fine. */
  @Test
  void compressedChunksOfAPngAreNotInflated() {
    byte[] plain = Golden.bytes("files/odd.png");
    byte[] zeros = new byte[64 << 20];
    Deflater deflater = new Deflater();
    deflater.setInput(zeros);
    deflater.finish();
    byte[] packed = new byte[1 << 20];
    int length = deflater.deflate(packed);
    deflater.end();
    ByteBuffer chunks = ByteBuffer.allocate(plain.length + 40 * (length + 16));
    chunks.put(plain, 0, 33);
    for (int i = 0; i < 40; i++) {
      int start = chunks.position();
      chunks.putInt(length + 3).putInt(i == 0 ? 0x69434350 : 0x7A545874).put((byte) 'x');
      chunks.putShort((short) 0).put(packed, 0, length);
      CRC32 crc = new CRC32();
      crc.update(chunks.array(), start + 4, length + 7);
      chunks.putInt((int) crc.getValue());
    }
    chunks.put(plain, 33, plain.length - 33);
    byte[] bytes = Arrays.copyOf(chunks.array(), chunks.position());
    RgbImage image = assertTimeout(SOON, () -> ImageDecoder.decode(bytes, "png"));
    assertArrayEquals(ImageDecoder.decode(plain, "plain").rgb(), image.rgb());
  }

  /** Fifty-six bytes that ask for thousands of code tables, all of them beyond the end. */
  @Test
  void webpTablesBeyondTheEndAreNotBuilt() {
    byte[] webp = Golden.bytes("files/blank.webp");
    String bad = "2f7f8294000700e43274acff011e49d2fffd8111fdcff8cf7f34f39ffffce73fffb70b00";
    byte[] stream = HexFormat.of().parseHex(bad);
    System.arraycopy(stream, 0, webp, 20, stream.length);
    assertTimeout(
        SOON,
        () -> assertThrows(InputException.class, () -> ImageDecoder.decode(webp, "blank.webp")));
  }

  /** Where the data of a frame end too soon, the JDK's GIF reader says nothing. */
  @Test
  void missingRowsAreErrors() {
    for (String name : List.of("plain.gif", "interlaced.gif", "local.gif")) {
      byte[] gif = Golden.bytes("files/" + name);
      byte[] cut = Arrays.copyOf(gif, gif.length - 20);
      assertThrows(InputException.class, () -> ImageDecoder.decode(cut, name), name);
    }
  }
}
