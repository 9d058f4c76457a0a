// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.image;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import io.clipsteer.data.InputException;
import io.clipsteer.data.imageset.ImageSet;
import io.clipsteer.data.imageset.ImageSetTest;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Thousands of damaged files: an image or one clear error, in time and within bounds. */
final class HostileImagesTest {
  private static final int MUTATIONS = 3000;

  /** An image that is let through without question may take that; and every reader some tables. */
  private static final long FREE_BYTES = 32L << 20;

  /** Bytes allocated per byte of the file, by the least bound of {@link ImageDecoder}. */
  private static final long PER_BYTE = 12L * 8256;

  private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  @TempDir Path dir;

  @Test
  void damagedImagesNeverEscape() {
    List<byte[]> seeds = new ArrayList<>();
    for (Golden.Row row : Golden.rows("images.tsv")) {
      seeds.add(Golden.bytes("files/" + row.get("file")));
    }
    Random random = new Random(42);
    List<String> faults = new ArrayList<>();
    int decoded = 0;
    for (int i = 0; i < MUTATIONS; i++) {
      byte[] bytes = mutate(seeds.get(i % seeds.size()), random);
      if (attempt(i, bytes, faults)) decoded++;
    }
    assertEquals(List.of(), faults);
    assertTrue(decoded > 100 && decoded < MUTATIONS - 100, decoded + " decoded");
  }

  private static boolean attempt(int i, byte[] bytes, List<String> faults) {
    long began = THREADS.getCurrentThreadCpuTime();
    long before = THREADS.getCurrentThreadAllocatedBytes();
    boolean fine = false;
    try {
      ImageDecoder.decode(bytes, "mutation " + i);
      fine = true;
    } catch (InputException e) {
      if ((e.getMessage() + "").lines().count() != 1) faults.add(i + " has many lines");
    } catch (Throwable e) {
      faults.add(i + " threw " + e);
    }
    long allocated = THREADS.getCurrentThreadAllocatedBytes() - before;
    long millis = (THREADS.getCurrentThreadCpuTime() - began) / 1_000_000;
    if (allocated > FREE_BYTES + PER_BYTE * bytes.length || allocated > 1L << 30) {
      faults.add(i + " allocated " + allocated + " for " + bytes.length);
    }
    if (millis > 2000) faults.add(i + " took " + millis + " ms");
    return fine;
  }

  private static byte[] mutate(byte[] seed, Random random) {
    byte[] bytes = seed.clone();
    switch (random.nextInt(6)) {
      case 0 -> bytes = Arrays.copyOf(bytes, random.nextInt(bytes.length));
      case 1 -> {
        for (int k = 1 + random.nextInt(8); k > 0; k--) {
          bytes[random.nextInt(bytes.length)] ^= (byte) (1 << random.nextInt(8));
        }
      }
      case 2 -> {
        // In the headers, where sizes and tables are.
        for (int k = 1 + random.nextInt(4); k > 0; k--) {
          bytes[random.nextInt(Math.min(bytes.length, 64))] = (byte) random.nextInt(256);
        }
      }
      case 3 -> {
        int at = random.nextInt(bytes.length);
        Arrays.fill(bytes, at, Math.min(bytes.length, at + 4), (byte) 0xFF);
      }
      case 4 -> {
        int from = random.nextInt(bytes.length);
        int to = random.nextInt(bytes.length);
        int n = Math.min(random.nextInt(64), bytes.length - Math.max(from, to));
        System.arraycopy(seed, from, bytes, to, n);
      }
      default -> {
        int at = random.nextInt(bytes.length);
        int n = Math.min(1 + random.nextInt(200), bytes.length - at);
        System.arraycopy(seed, at + n, bytes, at, bytes.length - at - n);
        bytes = Arrays.copyOf(bytes, bytes.length - n);
      }
    }
    return bytes;
  }

  @Test
  void tinyFilesThatClaimHugeImagesCostNothing() {
    byte[] png = Golden.bytes("files/one.png");
    ByteBuffer.wrap(png).putInt(16, 10_000).putInt(20, 10_000);
    java.util.zip.CRC32 crc = new java.util.zip.CRC32();
    crc.update(png, 12, 17);
    ByteBuffer.wrap(png).putInt(29, (int) crc.getValue());
    refusedCheaply(png);
    byte[] jpeg = Golden.bytes("files/one.jpg");
    for (int i = 0; i < jpeg.length - 9; i++) {
      if (jpeg[i] == (byte) 0xFF && jpeg[i + 1] == (byte) 0xC0) {
        ByteBuffer.wrap(jpeg).putShort(i + 5, (short) 30_000).putShort(i + 7, (short) 30_000);
        break;
      }
    }
    refusedCheaply(jpeg);
    byte[] gif = Golden.bytes("files/few.gif");
    Arrays.fill(gif, 6, 10, (byte) 0xFF);
    refusedCheaply(gif);
    byte[] bmp = Golden.bytes("files/rgb24.bmp");
    ByteBuffer.wrap(bmp).putInt(18, 0x00400000).putInt(22, 0x00400000);
    refusedCheaply(bmp);
    byte[] webp = Golden.bytes("files/blank.webp");
    Arrays.fill(webp, 21, 24, (byte) 0xFF);
    refusedCheaply(webp);
  }

  private static void refusedCheaply(byte[] bytes) {
    // The first time classes are loaded.
    assertThrows(InputException.class, () -> ImageDecoder.decode(bytes, "huge"));
    long before = THREADS.getCurrentThreadAllocatedBytes();
    assertThrows(InputException.class, () -> ImageDecoder.decode(bytes, "huge"));
    long allocated = THREADS.getCurrentThreadAllocatedBytes() - before;
    assertTrue(allocated < 65_536 + 4L * bytes.length, allocated + " bytes allocated");
  }

  /** A small file may not ask for hundreds of passes over a large image. */
  @Test
  void repeatedScansAreRefused() {
    for (String name : List.of("s420.jpg", "progressive420.jpg")) {
      byte[] jpeg = Golden.bytes("files/" + name);
      int scan = 0;
      while (jpeg[scan] != (byte) 0xFF || jpeg[scan + 1] != (byte) 0xDA) scan++;
      byte[] twice = Arrays.copyOf(jpeg, jpeg.length + jpeg.length - scan - 2);
      System.arraycopy(jpeg, scan, twice, jpeg.length - 2, jpeg.length - scan);
      assertThrows(InputException.class, () -> ImageDecoder.decode(twice, name), name);
    }
  }

  @Test
  void nestedAnimationFramesAreRefused() {
    byte[] webp = new byte[2_400_012];
    ByteBuffer b = ByteBuffer.wrap(webp).order(java.nio.ByteOrder.LITTLE_ENDIAN);
    b.putInt(0x46464952).putInt(webp.length - 8).putInt(0x50424557);
    for (int at = 12; at + 24 <= webp.length; at += 24) {
      b.putInt(at, 0x464D4E41).putInt(at + 4, webp.length - at - 8);
    }
    assertThrows(InputException.class, () -> ImageDecoder.decode(webp, "nested"));
  }

  /** The reader at hand gets it wrong, so it is named rather than shown wrongly. */
  @Test
  void lossyWebpIsRefused() {
    byte[] webp = Golden.bytes("files/rgb.webp");
    webp[15] = ' ';
    InputException e =
        assertThrows(InputException.class, () -> ImageDecoder.decode(webp, "lossy.webp"));
    assertTrue(e.toString().contains("lossy WebP"), e.toString());
  }

  @Test
  void theUsersOwnLimitHolds() {
    var options = new ImageDecoder.DecodeOptions(1000, false);
    byte[] bytes = Golden.bytes("files/s420.jpg");
    assertThrows(InputException.class, () -> ImageDecoder.decode(bytes, "s420", options));
  }

  @Test
  void truncatedImagesAreErrors() {
    for (String name :
        List.of(
            "s420.jpg", "progressive420.jpg", "odd.png", "plain.gif", "rgb24.bmp", "rgb.webp")) {
      byte[] bytes = Golden.bytes("files/" + name);
      byte[] half = Arrays.copyOf(bytes, bytes.length / 2);
      assertThrows(InputException.class, () -> ImageDecoder.decode(half, name), name);
    }
    byte[] jpeg = Golden.bytes("files/s420.jpg");
    byte[] noEnd = Arrays.copyOf(jpeg, jpeg.length - 2);
    assertThrows(InputException.class, () -> ImageDecoder.decode(noEnd, "no end"));
  }

  @Test
  void damagedTarsNeverEscape() throws IOException {
    byte[] seed = ImageSetTest.tar("a/1.jpg", "a/" + "long".repeat(60) + ".jpg", "b/3.jpg");
    Random random = new Random(43);
    Path tar = dir.resolve("t.tar");
    for (int i = 0; i < 1000; i++) {
      Files.write(tar, mutate(seed, random));
      long began = THREADS.getCurrentThreadCpuTime();
      long before = THREADS.getCurrentThreadAllocatedBytes();
      try {
        ImageSetTest.list(ImageSet.open(tar));
      } catch (InputException e) {
        // One of the two outcomes.
      }
      assertTrue(THREADS.getCurrentThreadAllocatedBytes() - before < 4 << 20, i + " allocates");
      assertTrue(THREADS.getCurrentThreadCpuTime() - began < 2_000_000_000L, i + " spins");
    }
  }
}
