// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.data.tensor.SafeTensors;
import io.clipsteer.data.tensor.StoredTensor;
import io.clipsteer.data.tensor.TensorFile;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.TextTower;
import io.clipsteer.engine.model.TowerOutput;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.TreeMap;
import java.util.zip.GZIPInputStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * More than 10,000 changed configurations and tensor sets of open_clip and timm, with what the
 * libraries themselves made of each (bench/peers/make_config_mutations.py): ours is the same, or
 * refused.
 */
final class MutatedConfigsTest {
  private static final Path MODELS = Path.of("src/test/resources/models");
  private static final Path GOLDEN = Path.of("src/test/resources/mutations.jsonl.gz");
  private static final Path RECENT = Path.of("src/test/resources/mutations-recent.jsonl.gz");

  @TempDir private Path temp;

  /** First numbers of the first image's and text's unit vectors. */
  private record Output(float[] image, float @Nullable [] text) {
    boolean near(JsonNode expected) {
      return near(image, expected.path("image"))
          && (text == null || near(text, expected.path("text")));
    }

    private static boolean near(float[] actual, JsonNode expected) {
      for (int i = 0; i < 3; i++) {
        if (!(Math.abs(actual[i] - expected.path(i).asDouble()) <= 2e-5)) return false;
      }
      return expected.size() == 3;
    }
  }

  @Test
  @Tag("slow")
  void everyChangeIsReadAsTheLibraryDoesOrRefused() throws IOException {
    everyChange(GOLDEN, 10_000);
  }

  /** SigLIP, DINOv3, Perception Encoder, EVA-02 and CLIPA; matrices are transposed as well. */
  @Test
  @Tag("slow")
  void soIsEveryChangeOfTheRecentFamilies() throws IOException {
    everyChange(RECENT, 2_000);
  }

  private void everyChange(Path golden, int least) throws IOException {
    List<String> wrong = new ArrayList<>();
    Map<String, int[]> counts = new TreeMap<>();
    Map<String, JsonNode> unchanged = new TreeMap<>();
    int rows = 0;
    try (var in = new GZIPInputStream(Files.newInputStream(golden));
        var lines = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8))) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        JsonNode row = JsonMapper.shared().readTree(line);
        rows++;
        String name = row.get("folder").asString();
        JsonNode outcome = row.get("outcome");
        if (row.get("edits").isEmpty()) unchanged.put(name, outcome);
        int[] count = counts.computeIfAbsent(name, n -> new int[3]);
        Output output = outcome(name, row.get("edits"));
        if (output == null) {
          count[0]++;
          // An unchanged folder must be read.
          if (row.get("edits").isEmpty()) wrong.add(line);
          continue;
        }
        count[outcome.isString() ? 2 : 1]++;
        // Where the library fails on a field that changes nothing, the rest may be read: nothing of
        // the change, or the other of two.
        boolean right =
            outcome.isString() ? near(output, unchanged.get(name)) : output.near(outcome);
        for (JsonNode alone : row.path("alone")) right |= near(output, alone);
        if (!right) wrong.add(line);
      }
    }
    int total = rows;
    assertTrue(rows >= least, () -> total + " rows");
    assertEquals(List.of(), wrong.stream().limit(40).toList(), () -> wrong.size() + " differ");
    counts.forEach(
        (name, count) ->
            assertTrue(
                count[0] > 100 && count[1] > 50,
                () -> name + ": " + count[0] + " refused, " + count[1] + " read"));
  }

  private static boolean near(Output output, @Nullable JsonNode outcome) {
    return outcome != null && outcome.isObject() && output.near(outcome);
  }

  /** What the folder gives once it is changed; null when it is refused in one line. */
  private @Nullable Output outcome(String name, JsonNode edits) throws IOException {
    boolean clip = Files.exists(MODELS.resolve(name).resolve("open_clip_config.json"));
    String configFile = clip ? "open_clip_config.json" : "config.json";
    String weightsFile = clip ? "open_clip_model.safetensors" : "model.safetensors";
    Path source = MODELS.resolve(name);
    Path folder = Files.createDirectories(temp.resolve(name));
    ObjectNode config =
        (ObjectNode) JsonMapper.shared().readTree(Files.readAllBytes(source.resolve(configFile)));
    boolean tensors = false;
    for (JsonNode edit : edits) {
      if (edit.has("tensor")) tensors = true;
      else edit(config, edit);
    }
    Files.write(folder.resolve(configFile), JsonMapper.shared().writeValueAsBytes(config));
    if (tensors) rewrite(source.resolve(weightsFile), folder.resolve(weightsFile), edits);
    else {
      Files.copy(
          source.resolve(weightsFile),
          folder.resolve(weightsFile),
          StandardCopyOption.REPLACE_EXISTING);
    }
    try (ClipModel model = ClipModel.load(folder);
        TensorFile golden = SafeTensors.open(source.resolve("golden.safetensors"));
        Scope scope = Scope.open()) {
      return output(model, golden, clip);
    } catch (InputException e) {
      assertEquals(1, String.valueOf(e.getMessage()).lines().count(), e::getMessage);
      return null;
    }
  }

  private static Output output(ClipModel model, TensorFile golden, boolean clip) {
    Tensor pixels = Tensor.of(golden.get("input")).narrow(0, 0, 1);
    TowerOutput image = model.vision().run(pixels, Hooks.NONE);
    float[] first = (clip ? image.embedding() : image.pooled().unit()).toFloats();
    TextTower tower = model.text();
    if (tower == null) return new Output(first, null);
    StoredTensor ids = golden.get("input_ids");
    long[] row = new long[(int) ids.shape()[1]];
    for (int i = 0; i < row.length; i++) row[i] = (long) ids.get(i);
    float[] text = tower.run(new long[][] {row}, Hooks.NONE).embedding().toFloats();
    return new Output(first, text);
  }

  private static void edit(ObjectNode config, JsonNode edit) {
    String[] place = edit.get("at").asString().split("/");
    JsonNode node = config;
    for (int i = 0; i < place.length - 1; i++) node = node.path(place[i]);
    String field = place[place.length - 1];
    if (!(node instanceof ObjectNode object)) return;
    if (edit.has("drop")) {
      object.remove(field);
    } else if (!edit.has("rename")) {
      object.set(field, edit.get("set"));
    } else if (object.has(field)) {
      JsonNode value = object.remove(field);
      object.set(edit.get("rename").asString(), value);
    }
  }

  private static void rewrite(Path source, Path target, JsonNode edits) throws IOException {
    try (TensorFile file = SafeTensors.open(source)) {
      SequencedMap<String, StoredTensor> tensors = new LinkedHashMap<>(file.tensors());
      for (JsonNode edit : edits) {
        if (!edit.has("tensor")) continue;
        String name = edit.get("tensor").asString();
        if (edit.has("add")) {
          tensors.put(name, halves(name, edit.get("add").get(0).asInt()));
        } else if (tensors.containsKey(name)) {
          StoredTensor old = tensors.remove(name);
          if (edit.has("transpose")) tensors.put(name, transposed(old));
          if (!edit.has("rename")) continue;
          String next = edit.get("rename").asString();
          tensors.put(next, new StoredTensor(next, old.dtype(), old.shape(), old.bytes()));
        }
      }
      SafeTensors.write(target, tensors.values(), file.metadata());
    }
  }

  private static StoredTensor transposed(StoredTensor old) {
    int rows = (int) old.shape()[0];
    int columns = (int) old.shape()[1];
    float[] values = new float[rows * columns];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) old.get((long) i % rows * columns + i / rows);
    }
    return StoredTensor.ofFloats(old.name(), values, columns, rows);
  }

  private static StoredTensor halves(String name, int n) {
    ByteBuffer bytes = ByteBuffer.allocate(4 * n).order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; i < n; i++) bytes.putFloat(0.5f);
    return new StoredTensor(name, DType.F32, new long[] {n}, MemorySegment.ofArray(bytes.array()));
  }
}
