// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae.format;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.data.tensor.SafeTensors;
import io.clipsteer.data.tensor.StoredTensor;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.Sae;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** What is read, and what is refused by name, in SAE files as people have them. */
final class SaeFileRulesTest {
  private static final JsonMapper JSON = JsonMapper.shared();

  @TempDir private Path temp;

  private Path written(OpenedFixture sae) throws IOException {
    Path folder = temp.resolve("sae" + System.nanoTime());
    sae.write(folder);
    return folder;
  }

  private void refused(OpenedFixture sae, String... parts) throws IOException {
    Path folder = written(sae);
    InputException e = assertThrows(InputException.class, () -> SaeFiles.open(folder).close());
    String message = String.valueOf(e.getMessage());
    assertEquals(1, message.lines().count(), message);
    for (String part : parts) assertTrue(message.contains(part), message);
  }

  private static double[] rows(int n, double size) {
    SplittableRandom random = new SplittableRandom(n);
    double[] x = new double[8 * n];
    for (int i = 0; i < x.length; i++) x[i] = (float) (size * random.nextGaussian());
    return x;
  }

  /** Largest difference from plain loops, by the largest value. */
  private static double error(Sae sae, OpenedFixture meant, double[] x) {
    var spec = LibraryMeaning.of(meant);
    assertNotNull(spec);
    double[] expected = LibraryMeaning.reconstruct(spec, LibraryMeaning.weights(meant), x);
    float[] in = new float[x.length];
    for (int i = 0; i < in.length; i++) in[i] = (float) x[i];
    try (Scope scope = Scope.open()) {
      Tensor out = sae.decode(sae.encode(Tensor.of(in, in.length / 8, 8)));
      return SaeMutationsTest.gap(expected, SaeFilesTest.doubles(out));
    }
  }

  private void readAs(OpenedFixture sae, OpenedFixture meant) throws IOException {
    try (StoredSae stored = SaeFiles.open(written(sae))) {
      assertTrue(error(stored.sae(), meant, rows(9, 1.5)) < 1e-5, sae.name);
    }
  }

  private static JsonNode json(String text) {
    return JSON.readTree(text);
  }

  // ---- element types ------------------------------------------------------------------------

  @ParameterizedTest
  @ValueSource(
      strings = {
        "saelens_standard",
        "prisma_relu",
        "saev_relu",
        "dictionary_topk",
        "sparsify_topk",
        "openai_topk",
        "patchsae"
      })
  void integersAreNoWeights(String name) throws IOException {
    for (DType dtype : List.of(DType.I8, DType.U8, DType.I16, DType.I32, DType.BOOL)) {
      for (String matrix : List.of("W_enc", "encoder.weight", "W_dec", "decoder.weight")) {
        OpenedFixture sae = OpenedFixture.of(name);
        if (!sae.tensors.containsKey(matrix)) continue;
        long[] shape = sae.tensor(matrix).shape();
        sae.put(matrix, dtype, shape, new byte[8 * 24 * dtype.bytes()]);
        refused(sae, matrix, dtype.name(), "multiply by the scale");
      }
    }
  }

  @Test
  void scalesBesideFloatingPointIntegersAreNotIgnored() throws IOException {
    OpenedFixture sae = OpenedFixture.of("saelens_standard");
    float[] whole = sae.tensor("W_enc").toFloats();
    for (int i = 0; i < whole.length; i++) whole[i] = Math.round(whole[i] * 50);
    sae.tensors.put("W_enc", StoredTensor.ofFloats("W_enc", whole, 8, 24));
    sae.tensors.put("W_enc_scale", StoredTensor.ofFloats("W_enc_scale", new float[] {0.02f}, 1));
    refused(sae, "W_enc_scale");
  }

  @Test
  void eightBitFloatsAreNamed() throws IOException {
    OpenedFixture sae = OpenedFixture.of("saelens_standard");
    Path folder = written(sae);
    String header = "{\"W_enc\":{\"dtype\":\"F8_E4M3\",\"shape\":[8,24],\"data_offsets\":[0,192]}}";
    byte[] text = header.getBytes(StandardCharsets.UTF_8);
    ByteBuffer file = ByteBuffer.allocate(8 + text.length + 192).order(ByteOrder.LITTLE_ENDIAN);
    Files.write(
        folder.resolve("sae_weights.safetensors"), file.putLong(text.length).put(text).array());
    InputException e = assertThrows(InputException.class, () -> SaeFiles.open(folder).close());
    assertTrue(String.valueOf(e.getMessage()).contains("W_enc has the element type F8_E4M3"));
    sae.config.put("dtype", "float8_e4m3fn");
    refused(sae, "dtype is float8_e4m3fn");
    sae.config.put("dtype", "int8");
    refused(sae, "dtype is int8", "multiply by the scale");
  }

  @ParameterizedTest
  @CsvSource({"F64, 8", "F16, 2", "BF16, 2"})
  void everyFloatingPointTypeIsRead(DType dtype, int bytes) throws IOException {
    OpenedFixture sae = OpenedFixture.of("saelens_jumprelu");
    for (String key : List.copyOf(sae.tensors.keySet())) {
      double[] numbers = sae.numbers(key);
      ByteBuffer to = ByteBuffer.allocate(bytes * numbers.length).order(ByteOrder.LITTLE_ENDIAN);
      for (double number : numbers) {
        switch (dtype) {
          case F64 -> to.putDouble(number);
          case F16 -> to.putShort(Float.floatToFloat16((float) number));
          default -> to.putShort((short) (Float.floatToRawIntBits((float) number) >> 16));
        }
      }
      sae.put(key, dtype, sae.tensor(key).shape(), to.array());
    }
    readAs(sae, sae);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "saelens_topk",
        "prisma_topk",
        "saev_batchtopk",
        "dictionary_matryoshka",
        "dictionary_new",
        "sparsify_topk",
        "openai_relu",
        "patchsae"
      })
  void numbersThatAreNotFiniteAreNamed(String name) throws IOException {
    OpenedFixture good = OpenedFixture.of(name);
    for (String key : good.tensors.keySet()) {
      StoredTensor old = good.tensor(key);
      boolean counts = key.startsWith("stats_") || key.startsWith("latents_");
      if (old.dtype() != DType.F32 || counts) continue;
      // One that a sum of all shows, two that would cancel, and a sum beyond F32.
      for (float[] bad :
          new float[][] {{Float.NaN, 0}, {Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}}) {
        OpenedFixture sae = good.copy();
        float[] numbers = old.toFloats();
        numbers[0] = bad[0];
        numbers[numbers.length - 1] = numbers.length == 1 ? bad[0] : bad[1];
        sae.tensors.put(key, StoredTensor.ofFloats(key, numbers, old.shape()));
        refused(sae, key);
      }
    }
  }

  @Test
  void largeFiniteNumbersAreReadAndThoseBeyondF32AreNamed() throws IOException {
    OpenedFixture sae = OpenedFixture.of("saelens_standard");
    float[] large = sae.tensor("W_dec").toFloats();
    Arrays.fill(large, 3e38f);
    sae.tensors.put("W_dec", StoredTensor.ofFloats("W_dec", large, 24, 8));
    SaeFiles.open(written(sae)).close();
    ByteBuffer beyond = ByteBuffer.allocate(8 * 24).order(ByteOrder.LITTLE_ENDIAN);
    beyond.putDouble(5 * 8, 1e300);
    sae.put("b_enc", DType.F64, new long[] {24}, beyond.array());
    refused(sae, "b_enc");
  }

  // ---- tensors that nobody reads -------------------------------------------------------------

  @ParameterizedTest
  @CsvSource({
    "saelens_standard, threshold",
    "saelens_topk, threshold",
    "saelens_standard, act_mean",
    "saelens_jumprelu, log_threshold",
    "prisma_relu, threshold",
    "prisma_topk, k",
    "prisma_checkpoint, act_std",
    "saev_relu, activation.threshold",
    "dictionary_autoencoder, threshold",
    "dictionary_new, bias",
    "dictionary_jumprelu, k",
    "sparsify_topk, W_enc_scale",
    "openai_topk, threshold",
    "patchsae, input_mean"
  })
  void aTensorWithoutAPlaceIsRefused(String name, String tensor) throws IOException {
    OpenedFixture sae = OpenedFixture.of(name);
    boolean scalar = tensor.equals("k");
    float[] numbers = new float[scalar ? 1 : 24];
    Arrays.fill(numbers, scalar ? 3 : 0.9f);
    sae.tensors.put(
        tensor, StoredTensor.ofFloats(tensor, numbers, scalar ? new long[0] : new long[] {24}));
    refused(sae, tensor);
  }

  @Test
  void aScalingFactorOfOneIsNoneAndAnotherIsRefused() throws IOException {
    OpenedFixture sae = OpenedFixture.of("saelens_pre6_relu");
    float[] numbers = new float[24];
    Arrays.fill(numbers, 1);
    sae.tensors.put("scaling_factor", StoredTensor.ofFloats("scaling_factor", numbers, 24));
    readAs(sae, OpenedFixture.of("saelens_pre6_relu"));
    numbers[7] = 1.7f;
    sae.tensors.put("scaling_factor", StoredTensor.ofFloats("scaling_factor", numbers, 24));
    refused(sae, "scaling_factor");
  }

  @Test
  void tensorsThatTakeNoPartAreNamed() throws IOException {
    for (String name : List.of("openai_topk", "dictionary_topk")) {
      try (StoredSae stored = SaeFiles.open(written(OpenedFixture.of(name)))) {
        String notes = String.join(" ", stored.claims().notes());
        assertTrue(notes.contains(name.startsWith("openai") ? "stats_last_nonzero" : "threshold"));
      }
    }
  }

  @Test
  void aTiedDecoderIsTheEncoder() throws IOException {
    OpenedFixture sae = OpenedFixture.of("openai_relu");
    OpenedFixture meant = sae.copy();
    meant.tensors.remove("decoder.weight");
    float[] encoder = sae.tensor("encoder.weight").toFloats();
    meant.tensors.put("W_dec", StoredTensor.ofFloats("W_dec", encoder, 24, 8));
    sae.tensors.remove("decoder.weight");
    refused(sae, "decoder.weight");
    String tied = "decoder.linear.weight";
    sae.tensors.put(tied, StoredTensor.ofFloats(tied, encoder, 24, 8));
    readAs(sae, meant);
    encoder[3] += 1;
    sae.tensors.put(tied, StoredTensor.ofFloats(tied, encoder, 24, 8));
    refused(sae, tied);
  }

  // ---- null, and names of before --------------------------------------------------------------

  @ParameterizedTest
  @CsvSource(
      textBlock =
          """
          prisma_relu, null, false
          prisma_relu, '"none"', false
          prisma_relu, '"layer_norm"', true
          prisma_relu, , true
          prisma_topk, null, false
          prisma_checkpoint, null, false
          prisma_checkpoint, '"none"', false
          prisma_checkpoint, '"layer_norm"', true
          prisma_checkpoint, , true
          saelens_pre6_relu, null, false
          saelens_pre6_relu, false, false
          """)
  void nullHasEachLibrarysOwnMeaning(String name, String value, boolean divides)
      throws IOException {
    OpenedFixture sae = OpenedFixture.of(name);
    if (value == null) sae.config.remove("normalize_activations");
    else sae.config.set("normalize_activations", json(value));
    readAs(sae, sae);
    try (StoredSae stored = SaeFiles.open(written(sae))) {
      Class<?> kind = divides ? InputNormalisation.LayerNorm.class : InputNormalisation.None.class;
      assertInstanceOf(kind, stored.sae().normalisation());
    }
  }

  @ParameterizedTest
  @CsvSource({
    "prisma_relu, normalize_activations, '\"LAYER_NORM\"'",
    "prisma_checkpoint, normalize_activations, '\"None\"'",
    "prisma_relu, normalize_activations, false",
    "prisma_relu, activation_fn_str, null",
    "prisma_topk, activation_fn_kwargs, null",
    "prisma_topk, hook_point_head_index, 3",
    "prisma_relu, architecture, null",
    "saelens_topk, normalize_activations, null",
    "saelens_topk, normalize_activations, false",
    "saelens_topk, apply_b_dec_to_input, null",
    "saelens_standard, apply_b_dec_to_input, 1",
    "saelens_standard, activation_fn, '\"topk\"'",
    "saelens_standard, metadata, null",
    "saelens_pre6_topk, activation_fn_kwargs, '{}'",
    "saelens_pre6_relu, hook_head_index, 2",
    "sparsify_topk, k, null",
    "sparsify_topk, num_latents, 48",
    "sparsify_topk, mystery, 1",
    "openai_topk, activation, '\"GELU\"'",
    "patchsae, gated_sae, true",
    "saev_topk, schema, null",
    "saev_old, exp_factor, 7"
  })
  void aFieldThatIsNotUnderstoodIsNamed(String name, String field, String value)
      throws IOException {
    OpenedFixture sae = OpenedFixture.of(name);
    sae.config.set(field, json(value));
    refused(sae, field.equals("gated_sae") ? "gated" : field);
  }

  @Test
  void deeperFieldsAreReadAlike() throws IOException {
    OpenedFixture topK = OpenedFixture.of("saev_topk");
    ObjectNode parameters = (ObjectNode) topK.config.at("/cfg/activation/params");
    parameters.putNull("top_k");
    refused(topK, "top_k is null");
    parameters.put("top_k", 7);
    readAs(topK, topK);
    parameters.put("temperature", 2);
    refused(topK, "temperature");
    OpenedFixture trainer = OpenedFixture.of("dictionary_topk");
    ((ObjectNode) trainer.config.get("trainer")).put("k", 6);
    refused(trainer, "k is 6");
    OpenedFixture prisma = OpenedFixture.of("prisma_topk");
    ((ObjectNode) prisma.config.get("activation_fn_kwargs")).put("postact_fn", "gelu");
    refused(prisma, "postact_fn");
  }

  @Test
  void whatDefaultsAreIsEachLibrarysOwn() throws IOException {
    // 24 features are fewer than each default.
    OpenedFixture saelens = OpenedFixture.of("saelens_topk");
    saelens.config.remove("k");
    refused(saelens, "k is 100");
    OpenedFixture sparsify = OpenedFixture.of("sparsify_topk");
    sparsify.config.remove("k");
    refused(sparsify, "k is 32");
    OpenedFixture saev = OpenedFixture.of("saev_topk");
    ((ObjectNode) saev.config.at("/cfg/activation/params")).remove("top_k");
    refused(saev, "k is 32");
    OpenedFixture prisma = OpenedFixture.of("prisma_topk");
    prisma.config.remove("activation_fn_str");
    readAs(prisma, prisma);
  }

  @Test
  void metadataOfVersionSixIsFree() throws IOException {
    OpenedFixture sae = OpenedFixture.of("saelens_standard");
    ObjectNode metadata = (ObjectNode) sae.config.get("metadata");
    metadata.put("anything", 5).putNull("nothing").put("activation_fn", "topk");
    metadata.put("normalize_activations", "layer_norm");
    readAs(sae, OpenedFixture.of("saelens_standard"));
    metadata.put("hook_head_index", 4);
    refused(sae, "hook_head_index");
  }

  @Test
  void theConfigurationBesideDecidesWhoseItIs() throws IOException {
    // With thresholds, these tensors would otherwise be a JumpReluAutoEncoder's.
    OpenedFixture prisma = OpenedFixture.of("prisma_relu");
    prisma.tensors.put("threshold", StoredTensor.ofFloats("threshold", new float[24], 24));
    refused(prisma, "threshold");
    OpenedFixture dictionary = OpenedFixture.of("dictionary_jumprelu");
    dictionary.tensors.remove("threshold");
    refused(dictionary, "threshold is missing", "dict_class JumpReluAutoEncoder");
  }

  // ---- names of tensors and hook points ------------------------------------------------------

  @ParameterizedTest
  @ValueSource(strings = {"_orig_mod.", "module.", "module._orig_mod.", "_orig_mod.module."})
  void prefixesOfWrappedModulesAreNoPartOfAName(String prefix) throws IOException {
    for (String name : SaeFilesTest.read()) {
      OpenedFixture good = OpenedFixture.of(name);
      OpenedFixture sae = good.copy();
      for (String key : good.tensors.keySet()) sae.rename(key, prefix + key);
      readAs(sae, good);
    }
  }

  @Test
  void partsCompiledAloneAreReadAndTwoOfANameAreRefused() throws IOException {
    OpenedFixture good = OpenedFixture.of("dictionary_autoencoder");
    OpenedFixture sae = good.copy();
    for (String part : List.of("weight", "bias")) {
      sae.rename("encoder." + part, "encoder._orig_mod." + part);
    }
    readAs(sae, good);
    sae.tensors.put("encoder.bias", StoredTensor.ofFloats("encoder.bias", new float[24], 24));
    refused(sae, "encoder.bias twice");
    OpenedFixture one = good.copy();
    one.rename("bias", "module.bias");
    refused(one, "bias");
  }

  @ParameterizedTest
  @CsvSource({
    "blocks.7.hook_resid_pre, blocks.6.hook_resid_post",
    "blocks.1.hook_resid_pre, blocks.0.hook_resid_post",
    "blocks.0.hook_resid_pre, blocks.0.hook_resid_pre",
    "text.blocks.3.hook_resid_pre, text.blocks.2.hook_resid_post",
    "blocks.7.hook_resid_post, blocks.7.hook_resid_post",
    "blocks.7.hook_mlp_out, blocks.7.hook_mlp_out",
    "blocks.7.hook_resid_mid, blocks.7.hook_resid_mid",
    "blocks.7.attn.hook_z, blocks.7.attn.hook_z",
    "resid_pre_layer_5, blocks.4.hook_resid_post",
    "resid_post_layer_5, blocks.5.hook_resid_post",
    "mlp_out_layer_5, blocks.5.hook_mlp_out",
    "layers.7, blocks.7.hook_resid_post",
    "layers.7.mlp, blocks.7.hook_mlp_out",
    "vision_model.encoder.layers.10, blocks.10.hook_resid_post",
    "text_model.encoder.layers.2, text.blocks.2.hook_resid_post",
    "clip.text_model.encoder.layers.2.mlp, text.blocks.2.hook_mlp_out",
    "visual.transformer.resblocks.4, blocks.4.hook_resid_post",
    "transformer.resblocks.4, transformer.resblocks.4",
    "blocks.3, blocks.3.hook_resid_post",
    "encoder, encoder"
  })
  void hookPointsAreNamedInOurWords(String theirs, String ours) {
    List<String> notes = new ArrayList<>();
    assertEquals(ours, HookNames.read(theirs, notes));
    assertEquals(theirs.equals(ours) ? 0 : 1, notes.size());
    if (!notes.isEmpty()) {
      assertTrue(notes.getFirst().contains(theirs) && notes.getFirst().contains(ours));
      assertEquals(ours, HookPoint.parse(ours).peerName());
    }
  }

  @Test
  void theEmbeddingIsNoHookPoint() {
    assertNull(HookNames.read(" ", new ArrayList<>()));
    assertEquals(HookPoint.residPost(6), HookPoint.parse("blocks.7.hook_resid_pre"));
    var e = assertThrows(InputException.class, () -> HookPoint.parse("blocks.0.hook_resid_pre"));
    assertTrue(String.valueOf(e.getMessage()).contains("the embedding before block 0"));
  }

  @Test
  void everyFormatsHookPointIsReadSo() throws IOException {
    OpenedFixture saelens = OpenedFixture.of("saelens_pre6_relu");
    saelens.config.put("hook_name", "blocks.7.hook_resid_pre");
    hook(saelens, "blocks.6.hook_resid_post");
    OpenedFixture prisma = OpenedFixture.of("prisma_relu");
    prisma.config.put("layer_subtype", "hook_resid_pre").put("hook_point_layer", 7);
    hook(prisma, "blocks.6.hook_resid_post");
    OpenedFixture inside = OpenedFixture.of("prisma_checkpoint");
    inside.config.put("layer_subtype", "hook_resid_pre").set("hook_point_layer", json("[7]"));
    hook(inside, "blocks.6.hook_resid_post");
    OpenedFixture saev = OpenedFixture.of("saev_relu");
    saev.config.put("hook_name", "blocks.7.hook_resid_pre");
    hook(saev, "blocks.6.hook_resid_post");
    OpenedFixture trainer = OpenedFixture.of("dictionary_topk");
    ((ObjectNode) trainer.config.get("trainer")).put("submodule_name", "resid_pre_layer_7");
    hook(trainer, "blocks.6.hook_resid_post");
    Path folder = temp.resolve("vision_model.encoder.layers.7");
    OpenedFixture.of("sparsify_topk").write(folder);
    try (StoredSae stored = SaeFiles.open(folder)) {
      assertEquals("blocks.7.hook_resid_post", stored.claims().hookName());
    }
  }

  private void hook(OpenedFixture sae, String ours) throws IOException {
    try (StoredSae stored = SaeFiles.open(written(sae))) {
      assertEquals(ours, stored.claims().hookName(), sae.name);
      assertTrue(String.join(" ", stored.claims().notes()).contains(ours), sae.name);
    }
  }

  // ---- layer norm ---------------------------------------------------------------------------

  @ParameterizedTest
  @ValueSource(strings = {"saelens_topk", "prisma_relu", "openai_topk"})
  void layerNormIsUndoneWithoutTheSmallNumber(String name) throws IOException {
    OpenedFixture sae = OpenedFixture.of(name);
    try (StoredSae stored = SaeFiles.open(written(sae))) {
      for (double size : new double[] {0.02, 0.001, 1}) {
        assertTrue(error(stored.sae(), sae, rows(7, size)) < 2e-5, name + " " + size);
      }
    }
  }

  @Test
  void frequenciesAreFloatingPoint() throws IOException {
    OpenedFixture sae = OpenedFixture.of("saelens_standard");
    Path folder = written(sae);
    sae.put("sparsity", DType.I32, new long[] {24}, new byte[4 * 24]);
    StoredTensor counts = sae.tensor("sparsity");
    SafeTensors.write(folder.resolve("sparsity.safetensors"), List.of(counts), Map.of());
    InputException e = assertThrows(InputException.class, () -> SaeFiles.open(folder).close());
    assertTrue(String.valueOf(e.getMessage()).contains("I32"));
  }
}
