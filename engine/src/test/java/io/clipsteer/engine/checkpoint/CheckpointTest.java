// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.data.tensor.SafeTensors;
import io.clipsteer.data.tensor.StoredTensor;
import io.clipsteer.data.tensor.TensorFile;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** Damaged and foreign checkpoints: each is refused in one line that names what is wrong. */
final class CheckpointTest {
  private static final Path MODELS = Path.of("src/test/resources/models");
  private static final String HF = "hf-clip-quickgelu";
  private static final String NATIVE = "open-clip-native";

  @TempDir private Path temp;

  private int copies;

  private Path copy(String name) throws IOException {
    Path folder = Files.createDirectory(temp.resolve(name + copies++));
    try (var files = Files.list(MODELS.resolve(name))) {
      for (Path file : files.toList()) {
        Files.copy(file, folder.resolve(file.getFileName().toString()));
      }
    }
    return folder;
  }

  private static InputException refused(Path path, String... parts) {
    InputException e =
        assertThrows(
            InputException.class,
            () -> ClipModel.load(path).close(),
            () -> "should be refused, saying " + Arrays.toString(parts));
    String message = String.valueOf(e.getMessage());
    assertEquals(1, message.lines().count(), message);
    for (String part : parts) assertTrue(message.contains(part), message);
    return e;
  }

  private static Path weights(Path folder) {
    Path openClip = folder.resolve("open_clip_model.safetensors");
    return Files.exists(openClip) ? openClip : folder.resolve("model.safetensors");
  }

  /** Rewrites the folder's weights. */
  private static void rewrite(Path folder, Consumer<SequencedMap<String, StoredTensor>> change)
      throws IOException {
    Path next = folder.resolve("next.safetensors");
    try (TensorFile file = SafeTensors.open(weights(folder))) {
      SequencedMap<String, StoredTensor> tensors = new LinkedHashMap<>(file.tensors());
      change.accept(tensors);
      SafeTensors.write(next, tensors.values(), file.metadata());
    }
    Files.move(next, weights(folder), java.nio.file.StandardCopyOption.REPLACE_EXISTING);
  }

  private static StoredTensor zeros(String name, DType dtype, long... shape) {
    long n = 1;
    for (long extent : shape) n *= extent;
    MemorySegment bytes = MemorySegment.ofArray(new byte[(int) n * dtype.bytes()]);
    return new StoredTensor(name, dtype, shape, bytes);
  }

  /** Changes one configuration field; {@code path} is {@code object/field}. */
  private static void configure(Path folder, String path, String json) throws IOException {
    Path file = folder.resolve("open_clip_config.json");
    if (!Files.exists(file)) file = folder.resolve("config.json");
    ObjectNode root = (ObjectNode) JsonMapper.shared().readTree(Files.readAllBytes(file));
    String[] parts = path.split("/");
    ObjectNode node = root;
    for (int i = 0; i < parts.length - 1; i++) node = (ObjectNode) node.get(parts[i]);
    String field = parts[parts.length - 1];
    if (json.equals("absent")) {
      JsonNode removed = node.remove(field);
      assertTrue(removed != null, path);
    } else {
      node.set(field, JsonMapper.shared().readTree(json));
    }
    Files.write(file, JsonMapper.shared().writeValueAsBytes(root));
  }

  // ---- tensors ----------------------------------------------------------------------------------

  /** Without any one of its tensors a model does not load. */
  @ParameterizedTest
  @CsvSource({HF, NATIVE, "open-clip-timm", "hf-vit", "hf-dinov2", "timm-deit-distilled"})
  void everyMissingTensorIsNamed(String name) throws IOException {
    Path folder = copy(name);
    List<String> names;
    try (TensorFile file = SafeTensors.open(weights(folder))) {
      names = List.copyOf(file.tensors().keySet());
    }
    List<String> ignored;
    try (ClipModel model = ClipModel.load(folder)) {
      ignored = model.source().ignored();
    }
    byte[] whole = Files.readAllBytes(weights(folder));
    int refusals = 0;
    for (String missing : names) {
      Files.write(weights(folder), whole);
      rewrite(folder, tensors -> tensors.remove(missing));
      if (ignored.contains(missing)) {
        ClipModel.load(folder).close();
        continue;
      }
      try {
        ClipModel.load(folder).close();
        throw new AssertionError(missing + " of " + name + " is absent unnoticed");
      } catch (InputException e) {
        refusals++;
        String message = String.valueOf(e.getMessage());
        assertEquals(1, message.lines().count(), message);
        assertTrue(message.contains(weights(folder).getFileName().toString()), message);
      }
    }
    assertEquals(names.size() - ignored.size(), refusals);
  }

  @Test
  void aMissingTensorIsNamed() throws IOException {
    String name = "vision_model.encoder.layers.1.self_attn.k_proj.weight";
    Path folder = copy(HF);
    rewrite(folder, tensors -> tensors.remove(name));
    refused(folder, name, "missing", "model.safetensors");
  }

  @Test
  void aWholeMissingBlockIsNamed() throws IOException {
    Path folder = copy(NATIVE);
    rewrite(folder, t -> t.keySet().removeIf(n -> n.startsWith("visual.transformer.resblocks.1.")));
    refused(folder, "visual.transformer.resblocks.1.", "missing");
  }

  @Test
  void aMisshapenTensorIsNamed() throws IOException {
    String name = "vision_model.encoder.layers.0.mlp.fc1.weight";
    for (long[] shape : new long[][] {{24, 48}, {48, 23}, {48 * 24}, {1, 48, 24}, {0, 24}, {}}) {
      Path folder = copy(HF);
      rewrite(folder, tensors -> tensors.put(name, zeros(name, DType.F32, shape)));
      refused(folder, name, Arrays.toString(shape), "[48, 24]");
    }
  }

  @Test
  void aScaleOfSeveralNumbersIsNamed() throws IOException {
    Path folder = copy(HF);
    rewrite(folder, t -> t.put("logit_scale", zeros("logit_scale", DType.F32, 2)));
    refused(folder, "logit_scale", "one element");
  }

  @Test
  void weightsThatAreNoFloatsAreNamed() throws IOException {
    String name = "visual.proj";
    for (DType dtype : List.of(DType.I64, DType.I8, DType.U8, DType.BOOL)) {
      Path folder = copy(NATIVE);
      rewrite(folder, tensors -> tensors.put(name, zeros(name, dtype, 64, 20)));
      refused(folder, name, dtype.name());
    }
  }

  @Test
  void aTensorThatNobodyKnowsIsNamed() throws IOException {
    for (String name : List.of(HF, NATIVE, "open-clip-timm", "hf-vit", "hf-dinov2", "timm-vit")) {
      Path folder = copy(name);
      rewrite(folder, t -> t.put("adapter.lora_A", zeros("adapter.lora_A", DType.F32, 4)));
      refused(folder, "adapter.lora_A", "no place");
    }
    // A block more than the configuration says.
    Path folder = copy(HF);
    configure(folder, "vision_config/num_hidden_layers", "2");
    refused(folder, "vision_model.encoder.layers.2.", "no place");
  }

  @Test
  void ignoredTensorsAreListed() throws IOException {
    Path hf = copy(HF);
    List<String> ids =
        List.of("vision_model.embeddings.position_ids", "text_model.embeddings.position_ids");
    rewrite(hf, t -> ids.forEach(id -> t.put(id, zeros(id, DType.I64, 1, 4))));
    try (ClipModel model = ClipModel.load(hf)) {
      assertEquals(List.copyOf(ids).stream().sorted().toList(), sorted(model));
    }
    Path open = copy(NATIVE);
    rewrite(open, t -> t.put("attn_mask", zeros("attn_mask", DType.F32, 16, 16)));
    try (ClipModel model = ClipModel.load(open)) {
      assertEquals(List.of("attn_mask"), sorted(model));
    }
    try (ClipModel model = ClipModel.load(MODELS.resolve("hf-vit"))) {
      assertEquals(List.of("classifier.bias", "classifier.weight"), sorted(model));
    }
    try (ClipModel model = ClipModel.load(MODELS.resolve("timm-deit-distilled"))) {
      assertEquals(
          List.of("head.bias", "head.weight", "head_dist.bias", "head_dist.weight"), sorted(model));
    }
    try (ClipModel model = ClipModel.load(MODELS.resolve("hf-dinov2"))) {
      assertTrue(sorted(model).contains("embeddings.mask_token"), sorted(model)::toString);
    }
  }

  private static List<String> sorted(ClipModel model) {
    return model.source().ignored().stream().sorted().toList();
  }

  @Test
  void theParametersAreCounted() throws IOException {
    long expected = 0;
    try (TensorFile file = SafeTensors.open(weights(MODELS.resolve(HF)))) {
      for (StoredTensor tensor : file.tensors().values()) expected += tensor.elements();
    }
    try (ClipModel model = ClipModel.load(MODELS.resolve(HF))) {
      assertEquals(expected, model.source().parameters());
      assertEquals("hf-clip", model.source().family());
    }
  }

  // ---- configurations ---------------------------------------------------------------------------

  @ParameterizedTest
  @CsvSource(
      quoteCharacter = '`',
      value = {
        "vision_config/hidden_size, -24",
        "vision_config/hidden_size, 0",
        "vision_config/hidden_size, 1000000000",
        "vision_config/hidden_size, 99999999999999999999999",
        "vision_config/hidden_size, 24.5",
        "vision_config/hidden_size, \"24\"",
        "vision_config/hidden_size, [24]",
        "vision_config/hidden_size, true",
        "vision_config/num_hidden_layers, -1",
        "vision_config/num_hidden_layers, 1000000",
        "vision_config/num_attention_heads, 0",
        "vision_config/num_attention_heads, 5",
        "vision_config/image_size, \"32\"",
        "vision_config/image_size, -32",
        "vision_config/image_size, 1000000",
        "vision_config/patch_size, 0",
        "vision_config/patch_size, 64",
        "vision_config/layer_norm_eps, \"tiny\"",
        "vision_config/layer_norm_eps, -1",
        "vision_config/hidden_act, \"relu6\"",
        "vision_config/hidden_act, 7",
        "text_config/vocab_size, -1",
        "text_config/eos_token_id, -1",
        "text_config/max_position_embeddings, 0",
        "projection_dim, {}",
        "projection_dim, 0",
        "vision_config, 7",
        "text_config, \"none\"",
        "model_type, \"siglip\"",
        "model_type, 7",
        "model_type, \"\""
      })
  void aWrongFieldIsNamed(String path, String json) throws IOException {
    Path folder = copy(HF);
    configure(folder, path, json);
    String field = path.substring(path.lastIndexOf('/') + 1);
    refused(folder, field, "config.json");
  }

  /** A field left out has the library's default, which does not fit these weights. */
  @ParameterizedTest
  @CsvSource({
    "vision_config/hidden_size, 768",
    "vision_config/intermediate_size, 3072",
    "vision_config/num_hidden_layers, vision_model.encoder.layers.3",
    "vision_config/patch_size, 32",
    "vision_config/image_size, position_embedding",
    "text_config/hidden_size, 512",
    "text_config/vocab_size, 49408",
    "projection_dim, 512",
    "model_type, model_type"
  })
  void aMissingFieldDoesNotPassUnnoticed(String path, String part) throws IOException {
    Path folder = copy(HF);
    configure(folder, path, "absent");
    refused(folder, part);
  }

  @ParameterizedTest
  @CsvSource(
      quoteCharacter = '`',
      value = {
        "model_cfg/vision_cfg/layers, `[3,4,6,3]`, ResNet",
        "model_cfg/vision_cfg/layers, -1, layers",
        "model_cfg/vision_cfg/width, \"64\", width",
        "model_cfg/vision_cfg/head_width, 48, head_width",
        "model_cfg/vision_cfg/mlp_ratio, 1e9, mlp_ratio",
        "model_cfg/vision_cfg/attentional_pool, true, attentional_pool",
        "model_cfg/vision_cfg/pool_type, \"none\", pool_type",
        "model_cfg/vision_cfg/final_ln_after_pool, 7, final_ln_after_pool",
        "model_cfg/vision_cfg/act_kwargs, {\"approximate\":\"erf\"}, act_kwargs",
        "model_cfg/vision_cfg/norm_kwargs, {\"epsilon\":1}, epsilon",
        "model_cfg/vision_cfg/qk_norm, true, qk_norm",
        "model_cfg/vision_cfg/something_new, 1, something_new",
        "model_cfg/text_cfg/something_new, 1, something_new",
        "model_cfg/something_new, 1, something_new",
        "something_new, 1, something_new",
        "model_cfg/multimodal_cfg, {}, CoCa",
        "model_cfg/text_cfg/tokenizer_kwargs, {\"clean\":\"all\"}, clean",
        "model_cfg/text_cfg/tokenizer_kwargs, null, tokenizer_kwargs",
        "model_cfg/text_cfg/output_tokens, true, output_tokens",
        "model_cfg/vision_cfg/image_size, `[32,48]`, image_size",
        "model_cfg/text_cfg/heads, 3, heads",
        "model_cfg/text_cfg/pool_type, \"cls\", pool_type",
        "model_cfg/text_cfg/hf_model_name, \"roberta-base\", hf_model_name",
        "model_cfg/text_cfg/embed_cls, true, embed_cls",
        "model_cfg/quick_gelu, \"yes\", quick_gelu",
        "model_cfg/embed_dim, 2000000000, embed_dim"
      })
  void aWrongOpenClipFieldIsNamed(String path, String json, String part) throws IOException {
    Path folder = copy(NATIVE);
    configure(folder, path, json);
    refused(folder, part, "open_clip_config.json");
  }

  /** timm fails on it: its constructor takes a function there. */
  @Test
  void aNormLayerOfEvaIsNamed() throws IOException {
    Path folder = copy("timm-pe-core");
    configure(folder, "model_args/norm_layer", "\"LayerNorm\"");
    refused(folder, "norm_layer is \"LayerNorm\"");
  }

  @Test
  void timmSettingsThatAreNotKnownAreNamed() throws IOException {
    Path folder = copy("open-clip-timm");
    configure(folder, "model_cfg/vision_cfg/timm_proj", "\"mlp\"");
    refused(folder, "timm_proj", "mlp");
    folder = copy("open-clip-timm");
    configure(folder, "model_cfg/vision_cfg/timm_pool", "\"map\"");
    refused(folder, "map");
    folder = copy("timm-vit");
    configure(folder, "model_args/num_heads", "5");
    refused(folder, "heads");
    for (String name : List.of("vit_foo", "resnet18")) {
      folder = copy("timm-vit");
      configure(folder, "architecture", '"' + name + '"');
      refused(folder, name);
    }
    // Known names, whose own pooling the configuration contradicts.
    for (String name : List.of("eva02_base_patch14_224", "vit_pe_core_base_patch16_224")) {
      folder = copy("timm-vit");
      configure(folder, "architecture", '"' + name + '"');
      refused(folder, "global_pool is \"token\": timm computes");
    }
    for (String field :
        List.of("\"act_layer\": \"relu\"", "\"pretrained_cfg\": {}", "\"something_new\": 1")) {
      folder = copy("timm-vit");
      configure(folder, "model_args", "{" + field + "}");
      refused(folder, field.substring(1, field.indexOf('"', 1)));
    }
    folder = copy("timm-vit");
    configure(folder, "something_new", "1");
    refused(folder, "something_new");
    folder = copy("timm-vit");
    configure(folder, "global_pool", "\"avg\"");
    refused(folder, "global_pool", "token");
  }

  /** The library has no activation called null: it fails, and so does this reader. */
  @Test
  void aNullFieldIsNotAnAbsentOne() throws IOException {
    Path folder = copy(HF);
    configure(folder, "vision_config/hidden_act", "null");
    refused(folder, "hidden_act", "null");
  }

  /** Each part may be right alone: together they would give another answer than the library's. */
  @Test
  void partsThatContradictEachOtherAreRefused() throws IOException {
    Path folder = copy(HF);
    Files.delete(folder.resolve("preprocessor_config.json"));
    refused(folder, "no image processor");
    Files.writeString(folder.resolve("processor_config.json"), "{\"image_processor\": null}");
    assertThrows(InputException.class, () -> ClipModel.load(folder).close());
    Path sizes = copy(HF);
    Files.writeString(sizes.resolve("preprocessor_config.json"), "{\"crop_size\": 224}");
    refused(sizes, "224×224", "32×32");
    Path scale = copy(HF);
    rewrite(
        scale, t -> t.put("logit_scale", StoredTensor.ofFloats("logit_scale", new float[] {1000})));
    refused(scale, "logit_scale is 1000");
    Path random = copy(HF);
    Path tokenizer = random.resolve("tokenizer.json");
    String json = Files.readString(tokenizer);
    String dropped = json.replaceFirst("\"dropout\":\\s*null", "\"dropout\": 0.5");
    assertNotEquals(json, dropped);
    Files.writeString(tokenizer, dropped);
    refused(random, "dropout", "0.5");
    Path twice = copy(HF);
    Files.writeString(
        twice.resolve("config.json"), "{\"model_type\": \"clip\", \"model_type\": \"vit\"}");
    refused(twice, "config.json", "model_type twice");
    Files.writeString(twice.resolve("config.json"), "{\"architecture\": \"vit_base_patch16_224\"}");
    refused(twice, "timm's old form");
    Files.writeString(twice.resolve("config.json"), "{}");
    refused(twice, "no model_type");
  }

  /** Fields of published files that the library's classes do not have. */
  @Test
  void publishedFieldsThatChangeNothingAreRead() throws IOException {
    Path folder = copy("hf-dinov2-registers");
    configure(folder, "interpolate_antialias", "true");
    configure(folder, "interpolate_offset", "0.0");
    ClipModel.load(folder).close();
  }

  @Test
  void brokenJsonIsNamed() throws IOException {
    for (String text : List.of("", "{", "[]", "null", "7", "{\"model_type\": clip}", "\u0000")) {
      Path folder = copy(HF);
      Files.writeString(folder.resolve("config.json"), text);
      refused(folder, "config.json");
      folder = copy(NATIVE);
      Files.writeString(folder.resolve("open_clip_config.json"), text);
      refused(folder, "open_clip_config.json");
    }
    Path folder = copy(HF);
    String deep = "[".repeat(100_000);
    Files.writeString(folder.resolve("config.json"), deep);
    refused(folder, "config.json");
    folder = copy(HF);
    Files.writeString(folder.resolve("preprocessor_config.json"), "{");
    refused(folder, "preprocessor_config.json");
  }

  // ---- files ------------------------------------------------------------------------------------

  @Test
  void truncatedWeightsAreNamed() throws IOException {
    for (String name : List.of(HF, NATIVE)) {
      byte[] whole = Files.readAllBytes(weights(MODELS.resolve(name)));
      for (int length : new int[] {0, 4, 8, 100, whole.length / 2, whole.length - 1}) {
        Path folder = copy(name);
        Files.write(weights(folder), Arrays.copyOf(whole, length));
        refused(folder, weights(folder).getFileName().toString());
      }
    }
  }

  @Test
  void aTruncatedArchiveIsNamed() throws IOException {
    byte[] whole = Files.readAllBytes(MODELS.resolve("openai-pt/model.pt"));
    for (int length : new int[] {0, 100, whole.length / 2, whole.length - 1}) {
      Path file = temp.resolve("cut" + length + ".pt");
      Files.write(file, Arrays.copyOf(whole, length));
      refused(file, "cut" + length + ".pt");
    }
  }

  @Test
  void foldersWithoutACheckpointAreNamed() throws IOException {
    Path empty = Files.createDirectory(temp.resolve("empty"));
    refused(empty, "empty", "config.json");
    refused(temp.resolve("absent"), "absent", "does not exist");
    Path folder = copy(HF);
    Files.delete(folder.resolve("model.safetensors"));
    refused(folder, "no weights", "model.safetensors");
    folder = copy(HF);
    Files.delete(folder.resolve("config.json"));
    refused(folder, "config.json");
    folder = copy("hf-vit");
    Files.delete(folder.resolve("preprocessor_config.json"));
    refused(folder, "preprocessor_config.json");
    folder = copy("hf-clip-gelu-sharded");
    Files.delete(folder.resolve("model-00002-of-00002.safetensors"));
    refused(folder, "model-00002-of-00002.safetensors");
  }

  @Test
  void filesThatAreNoCheckpointAreNamed() throws IOException {
    Path text = temp.resolve("notes.pt");
    Files.writeString(text, "these are not the weights you are looking for\n".repeat(20));
    refused(text, "notes.pt");
    // Somebody else's weights alone, without configuration.
    Path alone = temp.resolve("weights.safetensors");
    Files.copy(weights(MODELS.resolve("hf-vit")), alone);
    refused(alone, "weights.safetensors", "OpenAI");
    // Right names, but no sign of where they come from: the activation would be a guess.
    Path guess = temp.resolve("guess.safetensors");
    Files.copy(weights(MODELS.resolve(NATIVE)), guess);
    refused(guess, "guess.safetensors", "activation");
  }

  @Test
  void aFileOfAFolderStandsForTheFolder() throws IOException {
    Path folder = copy(HF);
    try (ClipModel model = ClipModel.load(folder.resolve("model.safetensors"))) {
      assertEquals("hf-clip", model.source().family());
      assertTrue(model.tokenizer() != null, "the tokenizer lies in the folder");
      assertFalse(model.source().parameters() == 0);
    }
  }

  /** The configuration of one model beside the weights of another. */
  @Test
  void configurationsOfOtherModelsAreRefused() throws IOException {
    Map<String, String> swaps =
        Map.of(
            HF, "hf-clip-vision-only", "hf-dinov2", "hf-dinov2-registers", "hf-vit", "hf-dinov2");
    for (var swap : swaps.entrySet()) {
      Path folder = copy(swap.getKey());
      Path config = folder.resolve("config.json");
      Files.delete(config);
      Files.copy(MODELS.resolve(swap.getValue()).resolve("config.json"), config);
      refused(folder, "tensor");
    }
  }
}
