// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae.format;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import io.clipsteer.data.InputException;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.data.tensor.SafeTensors;
import io.clipsteer.data.tensor.StoredTensor;
import io.clipsteer.data.tensor.TensorFile;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.sae.Sae;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * SAE files changed in one place: each is read as its own library reads it, or refused by the name
 * of what was changed. Where the library itself does not load the file, what is read must be the
 * SAE of before the change.
 */
final class SaeMutationsTest {
  private static final Path GOLDEN = Path.of("src/test/resources/sae");
  private static final JsonMapper JSON = JsonMapper.shared();
  private static final int CHANGES = 10_000;

  /** Values that mean something to one library or another, and values of every type. */
  private static final List<String> VALUES =
      List.of(
          "null",
          "true",
          "false",
          "0",
          "1",
          "2",
          "5",
          "8",
          "24",
          "-1",
          "3",
          "0.5",
          "5.0",
          "[]",
          "{}",
          "[1]",
          "{\"k\":3}",
          "\"\"",
          "\"none\"",
          "\"None\"",
          "\"layer_norm\"",
          "\"LAYER_NORM\"",
          "\"constant_norm_rescale\"",
          "\"expected_average_only_in\"",
          "\"topk\"",
          "\"relu\"",
          "\"tanh-relu\"",
          "\"standard\"",
          "\"jumprelu\"",
          "\"gated\"",
          "\"batchtopk\"",
          "\"hook_z\"",
          "\"TopK\"",
          "\"BatchTopK\"",
          "\"Relu\"",
          "\"ReLU\"",
          "\"Identity\"",
          "\"AutoEncoder\"",
          "\"AutoEncoderNew\"",
          "\"AutoEncoderTopK\"",
          "\"BatchTopKSAE\"",
          "\"JumpReluAutoEncoder\"",
          "\"MatryoshkaBatchTopKSAE\"",
          "\"groupmax\"",
          "\"float32\"",
          "\"int8\"",
          "\"6.0.0\"",
          "\"5.1.0\"",
          "\"5\"",
          "\"blocks.2.attn.hook_z\"");

  /** Names that mean something to one library or another, and one that means nothing. */
  private static final List<String> NAMES =
      List.of(
          "k",
          "top_k",
          "threshold",
          "architecture",
          "normalize_activations",
          "activation",
          "activation_fn",
          "activation_fn_str",
          "activation_fn_kwargs",
          "apply_b_dec_to_input",
          "finetuning_scaling_factor",
          "rescale_acts_by_decoder_norm",
          "reshape_activations",
          "sae_lens_version",
          "is_transcoder",
          "transcode",
          "skip_connection",
          "signed",
          "schema",
          "cfg",
          "cls",
          "params",
          "d_in",
          "d_sae",
          "d_model",
          "exp_factor",
          "dict_class",
          "gated_sae",
          "block_layer",
          "postact_fn",
          "normalize",
          "lr",
          "seed",
          "mystery");

  private static final List<String> TENSORS =
      List.of(
          "threshold",
          "scaling_factor",
          "W_enc_scale",
          "act_mean",
          "act_std",
          "k",
          "b_enc",
          "bias",
          "b_dec",
          "W_skip",
          "group_sizes",
          "activation.threshold",
          "decoder.bias",
          "decoder.linear.weight",
          "mystery");

  @TempDir private Path temp;
  private double[] x = new double[0];
  private int read;
  private int refused;
  private final List<String> faults = new ArrayList<>();

  static List<String> fixtures() throws IOException {
    return SaeFilesTest.read();
  }

  private static double[] golden(String file, String name) {
    try (TensorFile open = SafeTensors.open(GOLDEN.resolve(file))) {
      StoredTensor tensor = open.get(name);
      double[] numbers = new double[Math.toIntExact(tensor.elements())];
      for (int i = 0; i < numbers.length; i++) numbers[i] = tensor.get(i);
      return numbers;
    }
  }

  private double[] rows() {
    if (x.length == 0) x = golden("files/expected.safetensors", "x");
    return x;
  }

  /** The largest difference, by the largest number expected. */
  static double gap(double[] expected, double[] actual) {
    double largest = 0;
    double gap = 0;
    for (int i = 0; i < expected.length; i++) {
      largest = Math.max(largest, Math.abs(expected[i]));
      gap = Math.max(gap, Math.abs(expected[i] - actual[i]));
    }
    return gap / largest;
  }

  /** The loops and the meanings are those of the libraries, on the files that they wrote. */
  @ParameterizedTest
  @MethodSource("fixtures")
  void thePlainLoopsGiveWhatTheLibraryGave(String name) throws IOException {
    OpenedFixture sae = OpenedFixture.of(name);
    var spec = LibraryMeaning.of(sae);
    assertNotNull(spec);
    double[] ours = LibraryMeaning.reconstruct(spec, LibraryMeaning.weights(sae), rows());
    assertTrue(gap(golden("files/expected.safetensors", name), ours) < 1e-5, name);
    // What is written here again is what was read.
    Path folder = temp.resolve(name);
    sae.write(folder);
    try (StoredSae stored = SaeFiles.open(folder)) {
      assertTrue(gap(ours, reconstruction(stored.sae())) < 1e-5, name);
    }
  }

  private double[] reconstruction(Sae sae) {
    float[] in = new float[rows().length];
    for (int i = 0; i < in.length; i++) in[i] = (float) rows()[i];
    try (Scope scope = Scope.open()) {
      float[] out = sae.decode(sae.encode(Tensor.of(in, in.length / 8, 8))).toFloats();
      double[] numbers = new double[out.length];
      for (int i = 0; i < out.length; i++) numbers[i] = out[i];
      return numbers;
    }
  }

  /**
   * Opens a changed SAE.
   *
   * @param names what was changed: one of them stands in the message of a refusal
   * @param expected the reconstruction; null where only a refusal is right
   */
  private void check(
      OpenedFixture changed, String what, Set<String> names, double @Nullable [] expected)
      throws IOException {
    Path folder = temp.resolve(changed.name);
    changed.write(folder);
    String said = changed.name + " " + what;
    try (StoredSae stored = SaeFiles.open(folder)) {
      read++;
      if (expected == null) {
        faults.add(said + ": read, and its library computes something else");
      } else if (!(gap(expected, reconstruction(stored.sae())) < 1e-4)) {
        faults.add(said + ": another output, " + gap(expected, reconstruction(stored.sae())));
      }
    } catch (InputException e) {
      refused++;
      String message = String.valueOf(e.getMessage());
      String text = message.replace(folder.toString(), "");
      boolean named = names.stream().anyMatch(text::contains);
      if (!named || message.lines().count() != 1) faults.add(said + ": " + message);
    } catch (RuntimeException e) {
      faults.add(said + ": " + e);
    }
  }

  private void noFaults() {
    if (!faults.isEmpty()) {
      fail(
          faults.size()
              + " faults: "
              + String.join("\n", faults.subList(0, Math.min(40, faults.size()))));
    }
  }

  // ---- recorded by SAELens ------------------------------------------------------------------

  @Test
  void changesAreReadAsSaeLensItselfReadThem() throws IOException {
    JsonNode all = JSON.readTree(Files.readAllBytes(GOLDEN.resolve("mutations.json")));
    for (JsonNode row : all) {
      OpenedFixture base = OpenedFixture.of(row.path("sae").asString());
      OpenedFixture changed = base.copy();
      Set<String> names = new LinkedHashSet<>();
      if (row.has("tensor")) recordedTensor(changed, row, names);
      else recordedField(changed.config, row, names);
      JsonNode output = row.path("output");
      double[] expected =
          output.isNull()
              ? golden("files/expected.safetensors", base.name)
              : golden("mutations.safetensors", output.toString());
      check(changed, row.toString(), names, expected);
    }
    noFaults();
    assertTrue(read > 200 && refused > 200, read + " read, " + refused + " refused");
  }

  private static void recordedTensor(OpenedFixture changed, JsonNode row, Set<String> names) {
    String name = row.path("name").asString();
    names.add(name);
    // SAELens was given them in F32.
    for (String key : List.copyOf(changed.tensors.keySet())) {
      StoredTensor old = changed.tensor(key);
      float[] numbers = old.toFloats();
      changed.tensors.put(key, StoredTensor.ofFloats(key, numbers, old.shape()));
    }
    switch (row.path("tensor").asString()) {
      case "drop" -> changed.tensors.remove(name);
      case "rename" -> changed.rename(name, name + "_");
      default -> {
        float[] numbers = new float[24];
        Arrays.fill(numbers, (float) row.path("value").asDouble());
        changed.tensors.put(name, StoredTensor.ofFloats(name, numbers, 24));
      }
    }
  }

  private static void recordedField(ObjectNode config, JsonNode row, Set<String> names) {
    ObjectNode inner = config;
    JsonNode path = row.path("path");
    for (int i = 0; i < path.size() - 1; i++)
      inner = (ObjectNode) inner.get(path.get(i).asString());
    path.forEach(part -> names.add(part.asString()));
    String key = path.get(path.size() - 1).asString();
    switch (row.path("op").asString()) {
      case "drop" -> inner.remove(key);
      case "set" -> inner.set(key, row.path("value"));
      default -> {
        JsonNode value = inner.remove(key);
        inner.set(row.path("to").asString(), value);
        names.add(row.path("to").asString());
      }
    }
  }

  // ---- drawn from a seed ---------------------------------------------------------------------

  @Test
  void tenThousandChangesAreReadRightOrRefusedByName() throws IOException {
    SplittableRandom random = new SplittableRandom(20);
    List<String> names = fixtures();
    for (int i = 0; i < CHANGES; i++) {
      OpenedFixture base = OpenedFixture.of(names.get(i % names.size()));
      double[] before =
          LibraryMeaning.reconstruct(spec(base), LibraryMeaning.weights(base), rows());
      OpenedFixture changed = base.copy();
      Set<String> touched = new LinkedHashSet<>();
      if (random.nextInt(6) == 0) {
        String what = tensor(changed, random, touched);
        check(changed, what, touched, before);
        continue;
      }
      String what = field(changed.config, random, touched);
      var spec = LibraryMeaning.of(changed);
      double[] expected = before;
      if (spec == LibraryMeaning.OTHER) {
        expected = null;
      } else if (spec != null) {
        expected = LibraryMeaning.reconstruct(spec, LibraryMeaning.weights(base), rows());
      }
      check(changed, what, touched, expected);
    }
    noFaults();
    assertEquals(CHANGES, read + refused);
    assertTrue(
        read > CHANGES / 5 && refused > CHANGES / 5, read + " read, " + refused + " refused");
  }

  private static LibraryMeaning.Spec spec(OpenedFixture sae) {
    var spec = LibraryMeaning.of(sae);
    assertNotNull(spec);
    return spec;
  }

  private static <T> T any(List<T> all, SplittableRandom random) {
    return all.get(random.nextInt(all.size()));
  }

  private static String field(ObjectNode config, SplittableRandom random, Set<String> touched) {
    ObjectNode inner = config;
    List<String> objects = new ArrayList<>();
    while (true) {
      List<String> deeper = new ArrayList<>();
      for (var field : inner.properties()) {
        if (field.getValue().isObject()) deeper.add(field.getKey());
      }
      if (deeper.isEmpty() || random.nextInt(3) == 0) break;
      String next = any(deeper, random);
      objects.add(next);
      inner = (ObjectNode) inner.get(next);
    }
    touched.addAll(objects);
    List<String> keys = new ArrayList<>();
    inner.properties().forEach(field -> keys.add(field.getKey()));
    String key = keys.isEmpty() ? any(NAMES, random) : any(keys, random);
    touched.add(key);
    String where = objects + " " + key;
    switch (random.nextInt(5)) {
      case 0 -> {
        inner.remove(key);
        return where + " dropped";
      }
      case 1 -> {
        JsonNode value = inner.has(key) ? inner.remove(key) : JSON.getNodeFactory().nullNode();
        String to = random.nextBoolean() ? key + "_" : any(NAMES, random);
        touched.add(to);
        inner.set(to, value);
        return where + " renamed " + to;
      }
      case 2 -> {
        String name = any(NAMES, random);
        String value = any(VALUES, random);
        touched.add(name);
        inner.set(name, JSON.readTree(value));
        return objects + " " + name + " added " + value;
      }
      case 3 -> {
        inner.set(key, JSON.getNodeFactory().nullNode());
        return where + " null";
      }
      default -> {
        String value = any(VALUES, random);
        inner.set(key, JSON.readTree(value));
        return where + " = " + value;
      }
    }
  }

  /** Each of these is refused, or leaves the SAE as it was. */
  private static String tensor(OpenedFixture sae, SplittableRandom random, Set<String> touched) {
    String name = any(List.copyOf(sae.tensors.keySet()), random);
    StoredTensor old = sae.tensor(name);
    touched.add(name);
    int n = Math.toIntExact(old.elements());
    switch (random.nextInt(8)) {
      case 0 -> {
        sae.tensors.remove(name);
        return name + " dropped";
      }
      case 1 -> {
        sae.rename(name, name + "_");
        return name + " renamed";
      }
      case 2 -> {
        String more = any(TENSORS, random);
        touched.add(more);
        if (sae.tensors.containsKey(more)) return "nothing";
        sae.tensors.put(more, StoredTensor.ofFloats(more, new float[] {3, 3}, 2));
        return more + " added";
      }
      case 3 -> {
        sae.put(name, DType.I8, old.shape(), new byte[n]);
        return name + " quantised";
      }
      case 4 -> {
        if (old.dtype() != DType.F32) return "nothing";
        float[] numbers = old.toFloats();
        float[] bad = {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY};
        numbers[random.nextInt(n)] = bad[random.nextInt(3)];
        if (n > 1) numbers[random.nextInt(n)] = bad[random.nextInt(3)];
        sae.tensors.put(name, StoredTensor.ofFloats(name, numbers, old.shape()));
        return name + " not finite";
      }
      case 5 -> {
        long[] shape = new long[old.shape().length + 1];
        shape[0] = 1;
        System.arraycopy(old.shape(), 0, shape, 1, old.shape().length);
        sae.put(name, old.dtype(), shape, old.bytes().toArray(ValueLayout.JAVA_BYTE));
        return name + " in another shape";
      }
      case 6 -> {
        String prefix = any(List.of("_orig_mod.", "module.", "module._orig_mod."), random);
        for (String key : List.copyOf(sae.tensors.keySet())) sae.rename(key, prefix + key);
        return "all with " + prefix;
      }
      default -> {
        sae.rename(name, any(List.of("_orig_mod.", "module.", "sae."), random) + name);
        return name + " with a prefix";
      }
    }
  }
}
