// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import io.clipsteer.data.InputException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntFunction;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;

/**
 * 6,500 damaged and hostile files: each opens or is refused with an {@link InputException}, in less
 * than two seconds, with at most four times its size and one MiB of heap.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class FuzzTest {
  /** The parsers' own machinery: buffers, exceptions, the fixed part of {@link Budget}. */
  private static final long FIXED_HEAP = 1 << 20;

  private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  @TempDir Path folder;
  private int files;
  private int opened;
  private long slowest;
  private long mostHeap;
  private double mostFactor;

  @BeforeAll
  void loadClasses() throws IOException {
    // What the first files cost is class loading, not reading.
    for (Path golden : goldens("")) {
      try {
        TensorFile.open(golden).close();
      } catch (InputException e) {
        assertFalse(e.toString().isEmpty());
      }
    }
  }

  @BeforeEach
  void layGoodShard() throws IOException {
    Files.copy(
        GoldenTest.GOLDEN.resolve("dtypes.safetensors"),
        folder.resolve("good.safetensors"),
        java.nio.file.StandardCopyOption.REPLACE_EXISTING);
  }

  @AfterAll
  void report() {
    System.out.printf(
        "fuzz: %d files, %d opened, slowest %d ms, most heap %d bytes, most beyond 4x size %.0f%n",
        files, opened, slowest / 1_000_000, mostHeap, mostFactor);
    assertEquals(6500, files);
    assertTrue(opened > 100 && opened < 4000, opened + " opened: the damage is too weak or strong");
  }

  @Test
  void damagedSafetensors() throws IOException {
    byte[] good = Files.readAllBytes(GoldenTest.GOLDEN.resolve("dtypes.safetensors"));
    for (int i = 0; i < good.length && i < 800; i++) {
      check("cut " + i, java.util.Arrays.copyOf(good, i * good.length / 800));
    }
    many(700, i -> new Damage(i).harm(good));
  }

  @Test
  void lyingHeaders() throws IOException {
    many(1000, i -> new Damage(10_000 + i).lyingHeader());
  }

  @Test
  void damagedArchives() throws IOException {
    List<byte[]> goods = new ArrayList<>();
    for (Path golden : goldens(".pt")) goods.add(Files.readAllBytes(golden));
    many(2000, i -> new Damage(20_000 + i).harm(goods.get(i % goods.size())));
  }

  @Test
  void hostilePickles() throws IOException {
    many(900, i -> archive(new Damage(30_000 + i).pickle()));
    many(600, i -> archive(new Damage(40_000 + i).tensorPickle()));
  }

  @Test
  void escapingIndexes() throws IOException {
    many(460, i -> i % 4 == 0 ? new Damage(i).harm(new Damage(i).index()) : new Damage(i).index());
  }

  /** Files that make as many objects as they can per byte. */
  @Test
  void greedyFiles() throws IOException {
    int n = 1 << 20;
    String[] units = {
      "}", "]", ")", "N", "(", "K\u0001\u0085", "J\1\1\1\1", "X\0\0\0\0", "\u008c\0", "N\u0094",
      "]\u0094", "}NNs", "]Na", "(t", "ca\nb\n", "2", "N\u0085", "G12345678", "U\0", "C\0",
      "ccollections\nOrderedDict\n)R", "\u008a\0", "(N1", "]2a", "}2Ns", "\u008f", "N0"
    };
    for (String unit : units) {
      String body = "\u0080\u0002" + unit.repeat(n / unit.length()) + ".";
      check("greedy " + unit, archive(body.getBytes(StandardCharsets.ISO_8859_1)));
    }
    check(
        "names",
        archive(
            ("\u0080\u0002X" + le(n) + "a".repeat(n) + ".").getBytes(StandardCharsets.ISO_8859_1)));
    check("shared levels", archive(sharedLevels()));
    check("entries", entries(20_000));
    String entry = "\"%d\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}";
    check("tiny tensors", header(repeated(entry, 20_000)));
    check("metadata", header("\"__metadata__\":{" + repeated("\"%d\":\"\"", 60_000) + "}"));
    check("long value", header("\"__metadata__\":{\"a\":\"" + "a".repeat(n) + "\"}"));
    check("wide value", header("\"__metadata__\":{\"a\":\"" + "\u4e2d".repeat(n / 3) + "\"}"));
    check("long name", header("\"" + "a".repeat(n) + "\":{}"));
    check("deep", header("\"a\":" + "[".repeat(n)));
    check("map", utf8("{\"weight_map\":{" + repeated("\"%d\":\"b\"", 60_000) + "}}"));
    check("shards", utf8("{\"weight_map\":{" + repeated("\"%d\":\"%1$d\"", 2_000) + "}}"));
    check("skipped", utf8("{\"a\":{" + "\"\":0,".repeat(n / 5) + "\"\":0}}"));
    check("keys", utf8("{" + "\"\":0,".repeat(n / 5) + "\"\":0}"));
  }

  private void many(int count, IntFunction<byte[]> make) throws IOException {
    for (int i = 0; i < count; i++) check("case " + i, make.apply(i));
  }

  private void check(String what, byte[] bytes) throws IOException {
    Path file = Files.write(folder.resolve("fuzzed"), bytes);
    long heap = THREADS.getCurrentThreadAllocatedBytes();
    long time = System.nanoTime();
    boolean good = true;
    try (TensorFile open = TensorFile.open(file)) {
      long copied = 0;
      for (StoredTensor tensor : open.tensors().values()) {
        if (!tensor.bytes().isMapped()) copied += tensor.bytes().byteSize();
        if (tensor.elements() > 0) tensor.get(tensor.elements() - 1);
      }
      assertTrue(copied <= 4L * bytes.length, what);
    } catch (InputException e) {
      good = false;
      assertTrue(e.toString().lines().count() == 1, what);
    } catch (RuntimeException | StackOverflowError e) {
      throw new AssertionError(what, e);
    }
    time = System.nanoTime() - time;
    heap = THREADS.getCurrentThreadAllocatedBytes() - heap;
    files++;
    if (good) opened++;
    slowest = Math.max(slowest, time);
    mostHeap = Math.max(mostHeap, heap);
    mostFactor = Math.max(mostFactor, heap - 4.0 * bytes.length);
    assertTrue(time < 2_000_000_000L, what + " took " + time + " ns");
    assertTrue(
        heap <= 4L * bytes.length + FIXED_HEAP,
        what + ": " + heap + " bytes of heap for a file of " + bytes.length);
  }

  private static List<Path> goldens(String ending) throws IOException {
    try (var list = Files.list(GoldenTest.GOLDEN)) {
      return list.filter(f -> f.toString().endsWith(ending)).sorted().toList();
    }
  }

  private static byte[] archive(byte[] pickle) {
    try {
      return Damage.archive(pickle);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private static byte[] entries(int count) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try (ZipOutputStream zip = new ZipOutputStream(out)) {
      for (int i = 0; i < count; i++) Damage.store(zip, "" + i, new byte[0]);
    }
    return out.toByteArray();
  }

  /** Forty dictionaries, each holding the one before it twice: 2^40 paths. */
  private static byte[] sharedLevels() {
    StringBuilder pickle = new StringBuilder("\u0080\u0002}q\0");
    for (int i = 0; i < 40; i++) {
      pickle.append("}(X\1\0\0\0ah").append((char) i).append("X\1\0\0\0bh").append((char) i);
      pickle.append("uq").append((char) (i + 1));
    }
    return pickle.append(".").toString().getBytes(StandardCharsets.ISO_8859_1);
  }

  private static String repeated(String format, int count) {
    StringBuilder out = new StringBuilder();
    for (int i = 0; i < count; i++) out.append(i == 0 ? "" : ",").append(format.formatted(i));
    return out.toString();
  }

  private static byte[] header(String entries) {
    byte[] json = utf8("{" + entries + "}");
    return ByteBuffer.allocate(8 + json.length)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putLong(json.length)
        .put(json)
        .array();
  }

  private static byte[] utf8(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private static String le(int n) {
    return ""
        + (char) (n & 255)
        + (char) (n >> 8 & 255)
        + (char) (n >> 16 & 255)
        + (char) (n >> 24);
  }
}
