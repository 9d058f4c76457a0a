// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.store;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Stores: what goes in comes out, whatever happens on the way. */
final class ActivationStoreTest {
  private static final int IMAGES = 23;
  private static final int TOKENS = 5;
  private static final int WIDTH = 7;

  @TempDir private Path temp;

  private static StoreFormat format(String dtype) {
    return new StoreFormat(
        StoreFormat.PROTOCOL,
        "abc",
        "photos",
        "",
        "as CLIP",
        List.of("blocks.2.hook_resid_post", "blocks.3.hook_mlp_out"),
        "all",
        TOKENS,
        1,
        2,
        2,
        WIDTH,
        dtype,
        2,
        4);
  }

  private static float value(int image, int token, int point, int i) {
    return (float) Math.sin(image * 31 + token * 7 + point * 3 + i) * (1 + token);
  }

  private static void fill(StoreWriter writer, int from, int to) {
    try (Arena arena = Arena.ofConfined()) {
      for (int image = from; image < to; image++) {
        if (image % 10 == 9) {
          writer.skip("img" + image, image, "no image");
          continue;
        }
        List<MemorySegment> points = new ArrayList<>();
        for (int point = 0; point < 2; point++) {
          float[] values = new float[TOKENS * WIDTH];
          for (int k = 0; k < values.length; k++) {
            values[k] = value(image, k / WIDTH, point, k % WIDTH);
          }
          points.add(arena.allocateFrom(ValueLayout.JAVA_FLOAT, values));
        }
        writer.add("img" + image, image, points);
      }
    }
  }

  private Path write(String name, String dtype) {
    Path store = temp.resolve(name);
    try (StoreWriter writer = StoreWriter.open(store, format(dtype))) {
      rest(writer);
    }
    return store;
  }

  /** Fills the shards that are not whole. */
  private static void rest(StoreWriter writer) {
    for (int shard = 0; shard < writer.shards(IMAGES); shard++) {
      if (writer.isWhole(shard, IMAGES)) continue;
      int end = Math.min(IMAGES, 4 * (shard + 1));
      writer.seek(shard);
      fill(writer, 4 * shard, end);
      writer.complete(end);
    }
    writer.finish(IMAGES);
  }

  @ParameterizedTest
  @EnumSource(TokenCodec.class)
  void whatGoesInComesOut(TokenCodec codec) {
    Path folder = write("store", codec.toString());
    try (ActivationStore store = ActivationStore.open(folder);
        Arena arena = Arena.ofConfined()) {
      assertEquals(IMAGES - 2, store.images());
      assertEquals((IMAGES - 2) * TOKENS, store.tokens());
      assertEquals(List.of(), store.verify(store.format().hookPoints(), bytes -> {}));
      long[] tokens = {104, 0, 52, 51, 7};
      MemorySegment out = arena.allocate(4L * tokens.length * WIDTH);
      for (int point = 0; point < 2; point++) {
        store.read(point, tokens, out);
        for (int n = 0; n < tokens.length; n++) {
          int image = Integer.parseInt(store.image(tokens[n]).substring(3));
          int token = (int) (tokens[n] % TOKENS);
          float most = 0;
          for (int i = 0; i < WIDTH; i++) {
            most = Math.max(most, Math.abs(value(image, token, point, i)));
          }
          for (int i = 0; i < WIDTH; i++) {
            float wanted = value(image, token, point, i);
            double error =
                switch (codec) {
                  case FP32 -> 0;
                  case BF16 -> Math.abs(wanted) / 256;
                  case INT8 -> most / 127 * 0.5001;
                };
            float read = out.getAtIndex(ValueLayout.JAVA_FLOAT, (long) n * WIDTH + i);
            assertEquals(wanted, read, error);
          }
        }
      }
    }
  }

  @Test
  void aTokenBelongsToAnImage() {
    try (ActivationStore store = ActivationStore.open(write("store", "fp32"))) {
      assertEquals("img0", store.image(0));
      assertEquals("img0", store.image(3));
      // img9 was left out.
      assertEquals("img10", store.image(9 * TOKENS));
      assertThrows(IndexOutOfBoundsException.class, () -> store.image(store.tokens()));
      assertEquals(1, store.hookPoint("blocks.3.hook_mlp_out"));
      assertEquals(-1, store.hookPoint("blocks.9.hook_mlp_out"));
    }
  }

  /** Stopped after any image and resumed, the store has the same bytes. */
  @ParameterizedTest
  @ValueSource(ints = {0, 1, 3, 4, 5, 11, 20, 22})
  void resumingGivesTheSameBytes(int stop) throws IOException {
    Path whole = write("whole", "bf16");
    Path broken = temp.resolve("broken" + stop);
    try (StoreWriter writer = StoreWriter.open(broken, format("bf16"))) {
      fill(writer, 0, stop);
    }
    // A kill in the middle of a shard leaves data without its line, and temporary files.
    Files.createDirectories(broken.resolve("shards"));
    Files.writeString(broken.resolve("shards/.000005.blocks.2.hook_resid_post.bin.1-1"), "half");
    assertThrows(InputException.class, () -> ActivationStore.open(broken));
    try (StoreWriter writer = StoreWriter.open(broken, format("bf16"))) {
      for (int shard = 0; shard < 6; shard++) {
        assertEquals(4 * (shard + 1) < stop, writer.isWhole(shard, IMAGES));
      }
      rest(writer);
    }
    assertEquals(listing(whole), listing(broken));
    for (String file : listing(whole)) {
      assertArrayEquals(
          Files.readAllBytes(whole.resolve(file)), Files.readAllBytes(broken.resolve(file)), file);
    }
  }

  private static List<String> listing(Path folder) throws IOException {
    try (Stream<Path> files = Files.walk(folder)) {
      return files
          .filter(Files::isRegularFile)
          .map(file -> folder.relativize(file).toString())
          .filter(name -> !name.contains("/."))
          .sorted()
          .toList();
    }
  }

  @Test
  void damageIsFoundAndNamed() throws IOException {
    Path folder = write("store", "int8");
    Path shard = folder.resolve("shards/000002.blocks.3.hook_mlp_out.bin");
    byte[] bytes = Files.readAllBytes(shard);
    bytes[17] ^= 4;
    Files.write(shard, bytes);
    try (ActivationStore store = ActivationStore.open(folder)) {
      assertEquals(List.of(shard), store.verify(store.format().hookPoints(), b -> {}));
    }
    Files.write(shard, Arrays.copyOf(bytes, bytes.length - 1));
    refused("bytes instead of", () -> ActivationStore.open(folder).close());
    Files.delete(shard);
    refused("cannot be read", () -> ActivationStore.open(folder).close());
  }

  /** Whatever was done to a shard's data, resuming makes it again. */
  @ParameterizedTest
  @ValueSource(strings = {"gone", "short", "changed", "backwards"})
  void resumingMendsWhatWasDamaged(String damage) throws IOException {
    Path whole = write("whole", "bf16");
    Path broken = write("broken", "bf16");
    Path shard = broken.resolve("shards/000002.blocks.3.hook_mlp_out.bin");
    byte[] bytes = Files.readAllBytes(shard);
    switch (damage) {
      case "gone" -> Files.delete(shard);
      case "short" -> Files.write(shard, Arrays.copyOf(bytes, 10));
      case "changed" -> {
        bytes[33] ^= 1;
        Files.write(shard, bytes);
      }
      default -> {
        Path line = broken.resolve("shards/000002.json");
        String text = Files.readString(line);
        Files.writeString(line, text.replaceAll("\"consumed\" : \\d+", "\"consumed\" : 3"));
      }
    }
    try (StoreWriter writer = StoreWriter.open(broken, format("bf16"))) {
      for (int number = 0; number < 6; number++) {
        assertEquals(number != 2, writer.isWhole(number, IMAGES));
      }
      rest(writer);
    }
    for (String file : listing(whole)) {
      assertArrayEquals(
          Files.readAllBytes(whole.resolve(file)), Files.readAllBytes(broken.resolve(file)), file);
    }
  }

  @Test
  void foreignAndHostileFoldersAreRefused() throws IOException {
    Path folder = write("store", "fp32");
    refused("holds a store of other", () -> StoreWriter.open(folder, format("bf16")).close());
    Path foreign = Files.createDirectory(temp.resolve("foreign"));
    Files.writeString(foreign.resolve("mine.txt"), "mine");
    refused("is no store", () -> ActivationStore.open(foreign).close());
    String good = Files.readString(folder.resolve("store.json"));
    for (String[] change :
        new String[][] {
          {"blocks.2.hook_resid_post", "../../etc/passwd"},
          {"\"width\" : 7", "\"width\" : -7"},
          {"\"tokens_per_image\" : 5", "\"tokens_per_image\" : 50000000"},
          {"\"dtype\" : \"fp32\"", "\"dtype\" : \"fp7\""},
          {"\"grid_rows\" : 2", "\"grid_rows\" : 3"},
          {"\"protocol\" : 3", "\"protocol\" : 4"},
          {"{", "["},
          {good, ""}
        }) {
      Files.writeString(folder.resolve("store.json"), good.replace(change[0], change[1]));
      assertFalse(good.equals(good.replace(change[0], change[1])), change[0]);
      refused("store.json", () -> ActivationStore.open(folder).close());
    }
  }

  /** Stores of protocol 1 have their keys in camelCase. */
  @Test
  void storesOfProtocol1AreRead() throws IOException {
    Path folder = write("store", "fp32");
    Path file = folder.resolve("store.json");
    String old =
        Pattern.compile("_([a-z])(?=[a-z_]*\" :)")
            .matcher(Files.readString(file).replaceFirst("\"protocol\" : \\d", "\"protocol\" : 1"))
            .replaceAll(letter -> letter.group(1).toUpperCase(Locale.ROOT));
    assertTrue(old.contains("\"tokensPerImage\"") && old.contains("\"hookPoints\""), old);
    StoreFormat before;
    try (ActivationStore store = ActivationStore.open(folder)) {
      before = store.format();
    }
    Files.writeString(file, old);
    try (ActivationStore store = ActivationStore.open(folder)) {
      assertEquals(before.hookPoints(), store.format().hookPoints());
      assertEquals(before.imagesPerShard(), store.format().imagesPerShard());
      assertEquals(List.of(), store.verify(before.hookPoints(), bytes -> {}));
    }
  }

  /** Shards filled in any order, two at a time and one of them without an image. */
  @Test
  void shardsAreFilledInAnyOrder() throws IOException {
    Path whole = write("whole", "bf16");
    Path other = temp.resolve("other");
    StoreWriter.open(other, format("bf16")).close();
    try (StoreWriter first = StoreWriter.join(other, format("bf16"));
        StoreWriter second = StoreWriter.join(other, format("bf16"))) {
      for (int shard : new int[] {5, 1, 3, 0, 4, 2}) {
        StoreWriter writer = shard % 2 == 0 ? first : second;
        writer.seek(shard);
        fill(writer, 4 * shard, Math.min(IMAGES, 4 * shard + 4));
        writer.complete(Math.min(IMAGES, 4 * shard + 4));
      }
      refused("is missing or not full", () -> first.finish(IMAGES + 2));
      first.finish(IMAGES);
    }
    for (String file : listing(whole)) {
      assertArrayEquals(
          Files.readAllBytes(whole.resolve(file)), Files.readAllBytes(other.resolve(file)), file);
    }
    try (StoreWriter writer = StoreWriter.join(other, format("bf16"))) {
      writer.seek(1);
      for (int image = 4; image < 8; image++) writer.skip("img" + image, image, "no image");
      writer.complete(8);
      assertEquals(IMAGES - 6, writer.finish(IMAGES).images());
    }
    try (ActivationStore store = ActivationStore.open(other)) {
      assertEquals("img3", store.image(4 * TOKENS - 1));
      assertEquals("img8", store.image(4 * TOKENS));
      assertEquals("img10", store.image(5 * TOKENS));
      assertEquals("img22", store.image(store.tokens() - 1));
    }
  }

  private static void refused(String part, Runnable what) {
    InputException e = assertThrows(InputException.class, what::run);
    String message = String.valueOf(e.getMessage());
    assertTrue(message.contains(part), message);
    assertEquals(1, message.lines().count(), message);
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 16, 17, 1000, 4097, 100_003})
  void aPermutationHitsEverythingOnce(long n) {
    Permutation permutation = new Permutation(n, 42);
    BitSet seen = new BitSet();
    for (long i = 0; i < n; i++) {
      int at = (int) permutation.at(i);
      assertTrue(at >= 0 && at < n && !seen.get(at), i + " → " + at);
      seen.set(at);
    }
    assertEquals(n, seen.cardinality());
    assertThrows(IndexOutOfBoundsException.class, () -> permutation.at(n));
  }

  /** Displacements and neighbours are as of a random shuffle; another seed is another shuffle. */
  @Test
  void aPermutationIsShuffled() {
    long n = 50_000;
    Permutation a = new Permutation(n, 1);
    Permutation b = new Permutation(n, 2);
    double moved = 0;
    int neighbours = 0;
    int same = 0;
    for (long i = 0; i + 1 < n; i++) {
      moved += Math.abs(a.at(i) - i) / (double) n;
      if (Math.abs(a.at(i) - a.at(i + 1)) == 1) neighbours++;
      if (a.at(i) == b.at(i)) same++;
    }
    assertEquals(1.0 / 3, moved / n, 0.005);
    assertTrue(neighbours < 12, neighbours + " neighbours stayed so");
    assertTrue(same < 12, same + " the same by two seeds");
  }

  @Test
  void bf16RoundsToNearestEven() {
    Random random = new Random(3);
    for (int i = 0; i < 100_000; i++) {
      float value = Float.intBitsToFloat(random.nextInt());
      float rounded = Float.intBitsToFloat(TokenCodec.bf16(value) << 16);
      if (Float.isNaN(value)) {
        assertTrue(Float.isNaN(rounded));
        continue;
      }
      float below = Float.intBitsToFloat(Float.floatToRawIntBits(value) & 0xffff_0000);
      float above = Float.intBitsToFloat((Float.floatToRawIntBits(value) & 0xffff_0000) + 0x10000);
      if (Float.isInfinite(above) || Float.isNaN(above)) continue;
      double toBelow = Math.abs((double) value - below);
      double toAbove = Math.abs((double) above - value);
      if (toBelow != toAbove) assertEquals(toBelow < toAbove ? below : above, rounded);
      else assertEquals(0, (TokenCodec.bf16(value) & 1));
    }
  }
}
