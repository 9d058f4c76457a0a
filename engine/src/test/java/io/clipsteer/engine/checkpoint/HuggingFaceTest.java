// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.data.tensor.SafeTensors;
import io.clipsteer.data.tensor.StoredTensor;
import io.clipsteer.data.tensor.TensorFile;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.NotFiniteException;
import io.clipsteer.engine.model.TextTower;
import io.clipsteer.engine.model.VisionTower;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * Hugging Face folders against what transformers 5.24 made of the same ones
 * (bench/peers/make_hf_fields_golden.py): the schemes of names, the fields, and changed files,
 * which are read as the library reads them or refused.
 */
final class HuggingFaceTest {
  private static final Path MODELS = Path.of("src/test/resources/hf");
  private static final JsonMapper JSON = JsonMapper.shared();
  private static final String PREPROCESSOR = "preprocessor_config.json";

  @TempDir private Path temp;

  private int copies;

  static Stream<String> models() throws IOException {
    try (var all = Files.list(MODELS)) {
      return all
          .filter(Files::isDirectory)
          .map(f -> f.getFileName().toString())
          .sorted()
          .toList()
          .stream();
    }
  }

  /** A copy, with a preprocessing that fits; it is none of the subject here. */
  private Path copy(String name) throws IOException {
    Path folder = Files.createDirectory(temp.resolve("m" + copies++));
    for (String file : List.of("config.json", "model.safetensors")) {
      Files.copy(MODELS.resolve(name).resolve(file), folder.resolve(file));
    }
    Files.writeString(
        folder.resolve(PREPROCESSOR),
        "{\"size\": {\"height\": 8, \"width\": 8}, \"crop_size\": 8}");
    return folder;
  }

  /** Embeddings of the golden images, then of the golden texts where there is a text tower. */
  private static float[] run(Path folder, String name) {
    try (ClipModel model = ClipModel.load(folder);
        TensorFile file = SafeTensors.open(MODELS.resolve(name).resolve("golden.safetensors"));
        Scope scope = Scope.open()) {
      Tensor pixels = Tensor.of(file.get("pixels"));
      float[] image = model.vision().run(pixels, Hooks.NONE).embedding().toFloats();
      TextTower tower = model.text();
      if (tower == null) return image;
      StoredTensor stored = file.get("ids");
      long[][] ids = new long[(int) stored.shape()[0]][(int) stored.shape()[1]];
      for (int i = 0; i < stored.elements(); i++) {
        ids[i / ids[0].length][i % ids[0].length] = (long) stored.get(i);
      }
      return joined(image, tower.run(ids, Hooks.NONE).embedding().toFloats());
    }
  }

  private static float[] joined(float[] a, float[] b) {
    float[] all = Arrays.copyOf(a, a.length + b.length);
    System.arraycopy(b, 0, all, a.length, b.length);
    return all;
  }

  /** The same, or null where the folder is refused in one line that names a file. */
  private static float @Nullable [] runOrRefused(Path folder, String name) {
    try {
      return run(folder, name);
    } catch (InputException e) {
      assertEquals(1, String.valueOf(e.getMessage()).lines().count(), e.getMessage());
      return null;
    }
  }

  private static String refused(Path folder) {
    InputException e = assertThrows(InputException.class, () -> ClipModel.load(folder).close());
    return String.valueOf(e.getMessage());
  }

  private static float[] golden(String name) {
    try (TensorFile file = SafeTensors.open(MODELS.resolve(name).resolve("golden.safetensors"))) {
      float[] image = file.get("image").toFloats();
      boolean text = file.tensors().containsKey("text");
      return text ? joined(image, file.get("text").toFloats()) : image;
    }
  }

  private static void configure(Path folder, String path, @Nullable JsonNode value)
      throws IOException {
    Path file = folder.resolve("config.json");
    ObjectNode root = (ObjectNode) JSON.readTree(Files.readAllBytes(file));
    ObjectNode node = root;
    String[] parts = path.split("/");
    for (int i = 0; i < parts.length - 1; i++) node = (ObjectNode) node.get(parts[i]);
    if (value == null) node.remove(parts[parts.length - 1]);
    else node.set(parts[parts.length - 1], value);
    Files.write(file, JSON.writeValueAsBytes(root));
  }

  private static void write(Path folder, List<StoredTensor> tensors) throws IOException {
    Path next = folder.resolve("next");
    SafeTensors.write(next, tensors, Map.of("format", "pt"));
    Files.move(next, folder.resolve("model.safetensors"), StandardCopyOption.REPLACE_EXISTING);
  }

  private static StoredTensor named(StoredTensor tensor, String name) {
    return new StoredTensor(name, tensor.dtype(), tensor.shape(), tensor.bytes());
  }

  private static void rename(Path folder, Path from, UnaryOperator<String> rule)
      throws IOException {
    try (TensorFile file = SafeTensors.open(from)) {
      write(
          folder,
          file.tensors().values().stream().map(t -> named(t, rule.apply(t.name()))).toList());
    }
  }

  // ---- names ------------------------------------------------------------------------------------

  /** Every class in the names of the hub's files and in those of transformers 5. */
  @ParameterizedTest
  @MethodSource("models")
  void everySchemeOfNamesIsRead(String name) throws IOException {
    assertArrayEquals(golden(name), run(copy(name), name), 2e-6f);
  }

  /** What torch.compile, DDP, FSDP and checkpointing put into names, alone and together. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "_orig_mod.",
        "module.",
        "module._orig_mod.",
        "_orig_mod.module.",
        "_fsdp_wrapped_module.",
        "_checkpoint_wrapped_module._fsdp_wrapped_module."
      })
  void wrappersAreTakenOut(String wrapper) throws IOException {
    for (String name : List.of("clip-old", "clip-vision-new", "vit-classifier-new")) {
      Path folder = copy(name);
      Path from = MODELS.resolve(name).resolve("model.safetensors");
      float[] expected = run(folder, name);
      rename(folder, from, tensor -> wrapper + tensor);
      assertArrayEquals(expected, run(folder, name));
      // A part alone may be wrapped.
      rename(folder, from, t -> t.replaceFirst("\\.(\\d+)\\.", ".$1." + wrapper));
      assertArrayEquals(expected, run(folder, name));
    }
    for (String name : List.of("open-clip-native", "timm-vit", "open-clip-timm")) {
      Path from = GoldenTest.MODELS.resolve(name);
      Path folder = Files.createDirectory(temp.resolve(name));
      try (var files = Files.list(from)) {
        for (Path file : files.toList()) {
          Files.copy(file, folder.resolve(file.getFileName().toString()));
        }
      }
      Path weights = folder.resolve("model.safetensors");
      boolean own = Files.exists(weights);
      if (!own) weights = folder.resolve("open_clip_model.safetensors");
      Path source = from.resolve(weights.getFileName().toString());
      rename(folder, source, tensor -> wrapper + tensor);
      if (!own) {
        Files.move(
            folder.resolve("model.safetensors"), weights, StandardCopyOption.REPLACE_EXISTING);
      }
      try (ClipModel model = ClipModel.load(folder)) {
        assertTrue(GoldenCheck.run(model, folder, null).maxRelError() <= 1e-5, name);
      }
    }
  }

  @Test
  void twoNamesOfOneWeightAreRefused() throws IOException {
    Path folder = copy("clip-vision-old");
    try (TensorFile file = SafeTensors.open(MODELS.resolve("clip-vision-old/model.safetensors"))) {
      List<StoredTensor> all = new ArrayList<>(file.tensors().values());
      String bare = all.getFirst().name();
      for (String other : List.of("module." + bare, "vision_model." + bare)) {
        all.add(named(all.getFirst(), other));
        write(folder, all);
        String message = refused(folder);
        assertTrue(message.contains(bare) && message.contains(other), message);
        all.removeLast();
      }
    }
  }

  // ---- fields -----------------------------------------------------------------------------------

  /** About 3,600 changed configurations, each as transformers has it or refused. */
  @Test
  void everyFieldIsReadAsTheLibraryDoesOrRefused() throws IOException {
    List<String> wrong = new ArrayList<>();
    Map<String, JsonNode> unchanged = new LinkedHashMap<>();
    List<JsonNode> lines = new ArrayList<>();
    for (String line : Files.readAllLines(MODELS.resolve("mutations.jsonl"))) {
      JsonNode record = JSON.readTree(line);
      lines.add(record);
      if (record.get("path").asString().isEmpty()) {
        unchanged.put(record.get("model").asString(), record.get("outcome"));
      }
    }
    Map<String, Path> folders = new LinkedHashMap<>();
    int read = 0;
    for (JsonNode record : lines) {
      String model = record.get("model").asString();
      String path = record.get("path").asString();
      if (path.isEmpty()) continue;
      Path folder = folders.get(model);
      if (folder == null) folders.put(model, folder = copy(model + "-old"));
      Files.copy(
          MODELS.resolve(model + "-old/config.json"),
          folder.resolve("config.json"),
          StandardCopyOption.REPLACE_EXISTING);
      configure(folder, path, record.get("value"));
      float[] ours = runOrRefused(folder, model + "-old");
      if (ours == null) continue;
      JsonNode theirs = record.get("outcome");
      JsonNode wanted = theirs.isObject() ? theirs : unchanged.get(model);
      if (!close(ours, wanted)) wrong.add("\n" + record);
      else if (!theirs.asString("").equals("raises")) read++;
    }
    assertEquals(List.of(), wrong);
    assertTrue(read > 800, read + " of " + lines.size() + " read");
  }

  private static boolean close(float[] ours, @Nullable JsonNode wanted) {
    if (wanted == null) throw new AssertionError("nothing to compare with");
    List<Double> all = new ArrayList<>();
    for (String kind : List.of("image", "text")) {
      if (wanted.has(kind)) wanted.get(kind).forEach(value -> all.add(value.asDouble()));
    }
    if (all.size() != ours.length) return false;
    for (int i = 0; i < ours.length; i++) {
      if (!(Math.abs(ours[i] - all.get(i)) <= 3e-6)) return false;
    }
    return true;
  }

  /** The form of 2022, which many files of the hub still have: all fields there were, and nulls. */
  @Test
  void theHubsOldFilesAreRead() throws IOException {
    String side =
        """
        "_name_or_path": "", "add_cross_attention": false, "architectures": null,
        "attention_dropout": 0.0, "bad_words_ids": null, "bos_token_id": 0,
        "chunk_size_feed_forward": 0, "cross_attention_hidden_size": null,
        "decoder_start_token_id": null, "diversity_penalty": 0.0, "do_sample": false,
        "dropout": 0.0, "early_stopping": false, "encoder_no_repeat_ngram_size": 0,
        "exponential_decay_length_penalty": null, "finetuning_task": null,
        "forced_bos_token_id": null, "forced_eos_token_id": null, "gradient_checkpointing": false,
        "id2label": {"0": "LABEL_0", "1": "LABEL_1"}, "initializer_factor": 1.0,
        "initializer_range": 0.02, "is_decoder": false, "is_encoder_decoder": false,
        "label2id": {"LABEL_0": 0, "LABEL_1": 1}, "length_penalty": 1.0, "max_length": 20,
        "min_length": 0, "no_repeat_ngram_size": 0, "num_beam_groups": 1, "num_beams": 1,
        "num_return_sequences": 1, "output_attentions": false, "output_hidden_states": false,
        "output_scores": false, "pad_token_id": 1, "prefix": null, "problem_type": null,
        "pruned_heads": {}, "remove_invalid_values": false, "repetition_penalty": 1.0,
        "return_dict": true, "return_dict_in_generate": false, "sep_token_id": null,
        "task_specific_params": null, "temperature": 1.0, "tf_legacy_loss": false,
        "tie_encoder_decoder": false, "tie_word_embeddings": true, "tokenizer_class": null,
        "top_k": 50, "top_p": 1.0, "torch_dtype": null, "torchscript": false,
        "transformers_version": "4.24.0", "typical_p": 1.0, "use_bfloat16": false
        """;
    String name = "clip-old";
    float[] expected = run(copy(name), name);
    for (String pair :
        List.of(
            "\"text_config_dict\": null, \"vision_config_dict\": null,",
            """
            "text_config_dict": {"hidden_size": 8, "num_hidden_layers": 2,
              "num_attention_heads": 2, "intermediate_size": 16, "vocab_size": 20,
              "max_position_embeddings": 6, "eos_token_id": 19},
            "vision_config_dict": {"hidden_size": 8, "num_hidden_layers": 2,
              "num_attention_heads": 2, "intermediate_size": 16, "image_size": 8, "patch_size": 4},
            """)) {
      Path folder = copy(name);
      Files.writeString(
          folder.resolve("config.json"),
          """
          {"_name_or_path": "clip", "architectures": ["CLIPModel"], "initializer_factor": 1.0,
           "logit_scale_init_value": 2.6592, "model_type": "clip", "projection_dim": 4,
           "torch_dtype": "float32", "transformers_version": null, %s
           "text_config": {%s, "eos_token_id": 19, "hidden_act": "quick_gelu", "hidden_size": 8,
             "intermediate_size": 16, "layer_norm_eps": 1e-05, "max_position_embeddings": 6,
             "model_type": "clip_text_model", "num_attention_heads": 2, "num_hidden_layers": 2,
             "projection_dim": 512, "vocab_size": 20},
           "vision_config": {%s, "eos_token_id": null, "hidden_act": "quick_gelu",
             "hidden_size": 8, "image_size": 8, "intermediate_size": 16, "layer_norm_eps": 1e-05,
             "model_type": "clip_vision_model", "num_attention_heads": 2, "num_channels": 3,
             "num_hidden_layers": 2, "patch_size": 4, "projection_dim": 512}}
          """
              .formatted(pair, side, side));
      assertArrayEquals(expected, run(folder, name));
    }
  }

  /** P12: other kinds are refused for what they are, not for a tensor. */
  @ParameterizedTest
  @CsvSource({
    "siglip2, NaFlex",
    "aimv2, RMSNorm",
    "dinov3_convnext, convolutional",
    "beit, relative positions",
    "eova, not known",
    "ijepa, class token",
    "timm_wrapper, timm folder"
  })
  void otherKindsAreRefusedForWhatTheyAre(String type, String reason) throws IOException {
    Path folder = copy("vit-old");
    configure(folder, "model_type", JSON.valueToTree(type));
    String message = refused(folder);
    assertTrue(message.contains(type) && message.contains(reason), message);
    assertTrue(!message.contains("tensor"), message);
  }

  /** A projection that the library has without a bias is not given one by a stray tensor. */
  @Test
  void aBiasThatTheClassHasNotIsRefused() throws IOException {
    for (String name : List.of("visual_projection.bias", "text_projection.bias")) {
      Path folder = copy("clip-old");
      try (TensorFile file = SafeTensors.open(MODELS.resolve("clip-old/model.safetensors"))) {
        List<StoredTensor> all = new ArrayList<>(file.tensors().values());
        all.add(zeros(name, 4));
        write(folder, all);
      }
      assertTrue(refused(folder).contains(name));
    }
    Path folder = copy("vit-old");
    configure(folder, "qkv_bias", JSON.valueToTree(false));
    assertTrue(refused(folder).contains("qkv_bias"));
  }

  private static StoredTensor zeros(String name, long... shape) {
    int n = 1;
    for (long extent : shape) n *= (int) extent;
    return StoredTensor.ofFloats(name, new float[n], shape);
  }

  // ---- values -----------------------------------------------------------------------------------

  /** NaN or infinity in any one tensor: the tensor is named, not what it led to. */
  @ParameterizedTest
  @ValueSource(strings = {"clip-old", "vit-new", "dinov2-swiglu-new", "dinov2-registers-old"})
  void weightsThatAreNotFiniteAreNamed(String name) throws IOException {
    Path folder = copy(name);
    List<String> ignored;
    try (ClipModel model = ClipModel.load(folder)) {
      ignored = model.source().ignored();
    }
    float[] bad = {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY};
    int at = 0;
    try (TensorFile file = SafeTensors.open(MODELS.resolve(name).resolve("model.safetensors"))) {
      for (StoredTensor tensor : file.tensors().values()) {
        if (ignored.contains(tensor.name())) continue;
        List<StoredTensor> all = new ArrayList<>(file.tensors().values());
        float[] values = tensor.toFloats();
        values[at % values.length] = bad[at % 3];
        all.replaceAll(
            t ->
                t.name().equals(tensor.name())
                    ? StoredTensor.ofFloats(t.name(), values, t.shape())
                    : t);
        write(folder, all);
        String message = refused(folder);
        assertTrue(message.contains("tensor " + tensor.name() + " holds"), message);
        assertTrue(message.contains(String.valueOf((double) bad[at % 3])), message);
        at++;
      }
    }
    assertTrue(at > 20, at + " tensors");
  }

  /** Finite weights may overflow on the way: the hook point and the image are named. */
  @Test
  void activationsThatAreNotFiniteAreNamed() throws IOException {
    Path folder = copy("vit-old");
    try (TensorFile file = SafeTensors.open(MODELS.resolve("vit-old/model.safetensors"))) {
      List<StoredTensor> all = new ArrayList<>();
      for (StoredTensor tensor : file.tensors().values()) {
        float[] values = tensor.toFloats();
        boolean large = tensor.name().equals("encoder.layer.1.output.dense.weight");
        if (large) Arrays.fill(values, 3e38f);
        all.add(StoredTensor.ofFloats(tensor.name(), values, tensor.shape()));
      }
      write(folder, all);
    }
    try (ClipModel model = ClipModel.load(folder);
        TensorFile file = SafeTensors.open(MODELS.resolve("vit-old/golden.safetensors"));
        Scope scope = Scope.open()) {
      Tensor pixels = Tensor.of(file.get("pixels"));
      VisionTower tower = model.vision();
      tower.runUntil(pixels, HookPoint.residPost(0), Hooks.NONE);
      NotFiniteException e =
          assertThrows(NotFiniteException.class, () -> tower.run(pixels, Hooks.NONE));
      assertTrue(String.valueOf(e.getMessage()).contains("blocks.1.hook_resid_post"));
      e =
          assertThrows(
              NotFiniteException.class,
              () -> tower.runUntil(pixels, HookPoint.mlpOut(1), Hooks.NONE));
      assertTrue(String.valueOf(e.getMessage()).contains("blocks.1.hook_mlp_out"));
      String named = String.valueOf(e.named(List.of("a.png", "b.png")).getMessage());
      assertTrue(named.startsWith("a.png: "), named);
    }
  }

  // ---- ten thousand -----------------------------------------------------------------------------

  /** Fields and tensors lost, renamed, added or of another kind: never another result unsaid. */
  @Test
  @Tag("slow")
  void tenThousandChangesAreReadRightOrRefused() throws IOException {
    Random random = new Random(21);
    List<String> names =
        List.of(
            "clip-old",
            "clip-vision-projection-old",
            "clip-vision-new",
            "vit-new",
            "deit-old",
            "dinov2-swiglu-old",
            "dinov2-registers-new");
    int[] outcomes = new int[2];
    for (String name : names) {
      Path folder = copy(name);
      float[] expected = run(folder, name);
      byte[] config = Files.readAllBytes(folder.resolve("config.json"));
      byte[] weights = Files.readAllBytes(folder.resolve("model.safetensors"));
      for (int i = 0; i < 10_000 / names.size() + 1; i++) {
        boolean fields = random.nextBoolean();
        FolderChange change =
            fields
                ? FolderChange.ofConfig(folder, config, random)
                : FolderChange.ofTensors(folder, weights, random);
        float[] got = runOrRefused(folder, name);
        outcomes[got == null ? 0 : 1]++;
        if (fields) Files.write(folder.resolve("config.json"), config);
        else Files.write(folder.resolve("model.safetensors"), weights);
        if (got == null || Arrays.equals(expected, got)) continue;
        // The library's default took the place of the field: so it is with the default written out.
        String dropped = change.dropped();
        assertTrue(dropped != null, () -> name + ": " + change + " changes the result unsaid");
        configure(folder, dropped, defaultOf(config, dropped));
        assertArrayEquals(got, runOrRefused(folder, name), () -> name + ": " + change);
        Files.write(folder.resolve("config.json"), config);
      }
    }
    assertTrue(outcomes[0] > 3000, outcomes[0] + " refused");
    assertTrue(outcomes[1] > 1000, outcomes[1] + " read");
  }

  /** What transformers' own configuration class has for a field. */
  private static JsonNode defaultOf(byte[] config, String path) throws IOException {
    JsonNode all = JSON.readTree(Files.readAllBytes(MODELS.resolve("defaults.json")));
    String type = JSON.readTree(config).get("model_type").asString();
    String of =
        path.startsWith("text_config/")
            ? "CLIPTextConfig"
            : path.startsWith("vision_config/") || type.equals("clip_vision_model")
                ? "CLIPVisionConfig"
                : switch (type) {
                  case "clip" -> "CLIPConfig";
                  case "vit" -> "ViTConfig";
                  case "deit" -> "DeiTConfig";
                  case "dinov2" -> "Dinov2Config";
                  default -> "Dinov2WithRegistersConfig";
                };
    return all.get(of).get(path.substring(path.lastIndexOf('/') + 1));
  }
}
