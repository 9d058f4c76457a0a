// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae.format;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.data.tensor.SafeTensors;
import io.clipsteer.data.tensor.StoredTensor;
import io.clipsteer.data.tensor.TensorFile;
import io.clipsteer.data.tensor.TorchZip;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SaeActivation;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Files that the other tools' own code wrote, and ours in their formats. */
final class SaeFilesTest {
  private static final Path FILES = Path.of("src/test/resources/sae/files");
  private static final List<SaeFormat> WRITTEN =
      List.of(
          SaeFormat.SAELENS,
          SaeFormat.PRISMA,
          SaeFormat.SAEV,
          SaeFormat.DICTIONARY_LEARNING,
          SaeFormat.SPARSIFY);

  @TempDir private Path temp;

  private static List<String> cases(boolean refused) throws IOException {
    try (Stream<Path> all = Files.list(FILES)) {
      return all.filter(Files::isDirectory)
          .map(path -> String.valueOf(path.getFileName()))
          .filter(name -> name.startsWith("refused_") == refused)
          .sorted()
          .toList();
    }
  }

  static List<String> read() throws IOException {
    return cases(false);
  }

  static List<String> refused() throws IOException {
    return cases(true);
  }

  /** The largest difference from what the tool itself made of the same rows, by its size. */
  private static double error(Sae sae, String name) {
    try (Scope scope = Scope.open();
        TensorFile golden = SafeTensors.open(FILES.resolve("expected.safetensors"))) {
      double[] expected = doubles(Tensor.of(golden.get(name)));
      double[] actual = doubles(sae.decode(sae.encode(Tensor.of(golden.get("x")))));
      assertEquals(expected.length, actual.length);
      return SaeMutationsTest.gap(expected, actual);
    }
  }

  static double[] doubles(Tensor tensor) {
    float[] floats = tensor.toFloats();
    return IntStream.range(0, floats.length).mapToDouble(i -> floats[i]).toArray();
  }

  @ParameterizedTest
  @MethodSource("read")
  void reconstructsAsTheToolThatWroteIt(String name) {
    try (StoredSae stored = SaeFiles.open(FILES.resolve(name))) {
      assertTrue(error(stored.sae(), name) < 1e-5, () -> name + ": " + error(stored.sae(), name));
      String format = stored.claims().format().toString();
      assertTrue(name.startsWith(format) || name.startsWith("dictionary"), format);
    }
  }

  @ParameterizedTest
  @MethodSource("read")
  void whatIsWrittenForOthersIsTheSameSae(String name) throws IOException {
    try (StoredSae stored = SaeFiles.open(FILES.resolve(name))) {
      for (SaeFormat format : WRITTEN) {
        Path out = temp.resolve(format.toString());
        StoredSae named = withHook(stored);
        if (!expressible(format, stored.sae())) {
          oneLine(() -> SaeExport.write(out, format, named), format.toString());
          assertFalse(Files.exists(out));
          continue;
        }
        SaeExport.write(out, format, named);
        try (StoredSae back = SaeFiles.open(out)) {
          assertEquals(format, back.claims().format());
          assertTrue(error(back.sae(), name) < 1e-5, () -> format + ": " + error(back.sae(), name));
        }
        oneLine(() -> SaeExport.write(out, format, named), "not empty");
      }
    }
  }

  private static StoredSae withHook(StoredSae stored) {
    return new StoredSae(stored.sae(), stored.claims().withHook("blocks.3.hook_resid_post"));
  }

  /** What a format can say, written down apart from the code that writes it. */
  private static boolean expressible(SaeFormat format, Sae sae) {
    boolean raw = sae.normalisation() instanceof InputNormalisation.None;
    boolean jump = sae.activation() instanceof SaeActivation.JumpRelu;
    return switch (format) {
      case SAELENS -> true;
      case PRISMA -> !jump;
      case SAEV -> raw && (!jump || oneThreshold(sae));
      case DICTIONARY_LEARNING -> raw;
      case SPARSIFY -> raw && sae.activation() instanceof SaeActivation.TopK;
      case OPENAI, PATCHSAE -> false;
    };
  }

  private static boolean oneThreshold(Sae sae) {
    if (!(sae.activation() instanceof SaeActivation.JumpRelu jump)) return true;
    Set<Float> all = new HashSet<>();
    for (float threshold : jump.thresholds()) all.add(threshold);
    return all.size() == 1;
  }

  @ParameterizedTest
  @MethodSource("refused")
  void otherKindsAreRefusedByName(String name) {
    String kind = name.contains("skip") ? "skip" : "gated";
    oneLine(() -> SaeFiles.open(FILES.resolve(name)), kind);
  }

  @ParameterizedTest
  @CsvSource({
    "prisma_topk, blocks.3.hook_resid_post, 5",
    "prisma_checkpoint, blocks.3.hook_resid_post, 5",
    "saelens_standard, blocks.3.hook_resid_post,",
    "patchsae, blocks.3.hook_resid_post,",
    "dictionary_batchtopk, blocks.3.hook_resid_post, 5",
    "sparsify_topk, , 5",
    "openai_topk, , 5"
  })
  void saysWhatTheFilesSay(String name, String hook, Integer k) {
    try (StoredSae stored = SaeFiles.open(FILES.resolve(name))) {
      assertEquals(hook, stored.claims().hookName());
      assertEquals(k, stored.claims().k());
    }
  }

  // ---- hostile files ------------------------------------------------------------------------

  private static void oneLine(org.junit.jupiter.api.function.Executable action, String part) {
    InputException e = assertThrows(InputException.class, action, part);
    String message = String.valueOf(e.getMessage());
    assertEquals(1, message.lines().count(), message);
    assertTrue(message.contains(part), message);
  }

  private Path copy(String name) throws IOException {
    Path to = Files.createDirectories(temp.resolve("copy" + System.nanoTime()));
    try (Stream<Path> all = Files.list(FILES.resolve(name))) {
      for (Path file : all.toList()) Files.copy(file, to.resolve(file.getFileName()));
    }
    return to;
  }

  @ParameterizedTest
  @MethodSource("read")
  void damageOpensOrIsRefusedInOneLine(String name) throws IOException {
    SplittableRandom random = new SplittableRandom(name.hashCode());
    Path folder = copy(name);
    List<Path> files;
    try (Stream<Path> all = Files.list(folder)) {
      files = all.sorted().toList();
    }
    for (Path file : files) {
      byte[] good = Files.readAllBytes(file);
      for (int i = 0; i < 24; i++) {
        byte[] bad = good.clone();
        int at = random.nextInt(bad.length);
        if (i % 3 == 0) bad = Arrays.copyOf(bad, at);
        else bad[at] = (byte) random.nextInt();
        Files.write(file, bad);
        // Whatever else is thrown fails the test.
        try (StoredSae stored = SaeFiles.open(folder)) {
          assertTrue(stored.sae().features() > 0);
        } catch (InputException e) {
          String message = String.valueOf(e.getMessage());
          assertEquals(1, message.lines().count(), message);
        }
      }
      Files.write(file, good);
    }
    SaeFiles.open(folder).close();
  }

  @ParameterizedTest
  @CsvSource({
    "prisma_topk, '\"activation_fn_str\": \"topk\"', '\"activation_fn_str\": \"gelu\"', gelu",
    "prisma_topk, '\"k\": 5', '\"k\": 25', k is 25",
    "prisma_topk, '\"k\": 5', '\"k\": -1', k is -1",
    "prisma_topk, '\"d_in\": 8', '\"d_in\": 9', d_in is 9",
    "prisma_topk, '\"is_transcoder\": false', '\"is_transcoder\": true', transcoder",
    "prisma_topk, '\"architecture\": \"standard\"', '\"architecture\": \"gated\"', gated",
    "prisma_topk, '\"layer_norm\"', '\"constant_norm_rescale\"', constant_norm_rescale",
    "saelens_topk, '\"k\": 5', '\"k\": 500', k is 500",
    "saelens_standard, '\"none\"', '\"expected_average_only_in\"', expected_average_only_in",
    "saelens_pre6_relu, '\"finetuning_scaling_factor\": false', '\"finetuning_scaling_factor\":"
        + " true', scaling",
    "dictionary_topk, '\"AutoEncoderTopK\"', '\"CrossCoder\"', CrossCoder",
    "dictionary_topk, '\"dict_size\": 24', '\"dict_size\": 48', dict_size is 48",
    "sparsify_topk, '\"topk\"', '\"groupmax\"', groupmax",
    "sparsify_topk, '\"transcode\": false', '\"transcode\": true', transcode",
    "sparsify_topk, '\"k\": 5', '\"k\": null', k is null"
  })
  void whatAConfigurationMustNotSayIsRefused(String name, String from, String to, String part)
      throws IOException {
    Path folder = copy(name);
    Path config = folder.resolve("cfg.json");
    if (!Files.exists(config)) config = folder.resolve("config.json");
    String text = Files.readString(config);
    assertTrue(text.contains(from), text);
    Files.writeString(config, text.replace(from, to));
    oneLine(() -> SaeFiles.open(folder), part);
  }

  @Test
  void thresholdsThatAreNegativeOrNoNumberAreRefused() throws IOException {
    for (float bad : new float[] {Float.NaN, -0.5f, Float.POSITIVE_INFINITY}) {
      Path saelens = copy("saelens_jumprelu");
      Path weights = saelens.resolve("sae_weights.safetensors");
      List<StoredTensor> tensors = changed(SafeTensors.open(weights), "threshold", bad);
      SafeTensors.write(weights, tensors, Map.of());
      oneLine(() -> SaeFiles.open(saelens), "threshold");

      Path dictionary = copy("dictionary_jumprelu");
      Path torch = dictionary.resolve("ae.pt");
      TorchZip.write(torch, changed(TorchZip.open(torch), "threshold", bad), "");
      oneLine(() -> SaeFiles.open(dictionary), "threshold");
    }
    Path relu = copy("dictionary_autoencoder");
    Path file = relu.resolve("ae.pt");
    TorchZip.write(file, changed(TorchZip.open(file), "encoder.bias", Float.NaN), "");
    oneLine(() -> SaeFiles.open(relu), "NaN");
  }

  /** All tensors of a file, the second number of one of them another. */
  private static List<StoredTensor> changed(TensorFile file, String name, float value) {
    List<StoredTensor> all = new ArrayList<>();
    try (file) {
      for (StoredTensor tensor : file.tensors().values()) {
        float[] values = new float[Math.toIntExact(tensor.elements())];
        for (int i = 0; i < values.length; i++) values[i] = (float) tensor.get(i);
        if (tensor.name().equals(name)) values[1] = value;
        assertEquals(DType.F32, tensor.dtype());
        all.add(StoredTensor.ofFloats(tensor.name(), values, tensor.shape()));
      }
    }
    return all;
  }

  @Test
  void frequenciesBesideAnSaeAreAClaimOfL0() throws IOException {
    Path folder = copy("saelens_standard");
    float[] logs = new float[24];
    Arrays.fill(logs, -1);
    Path sparsity = folder.resolve("sparsity.safetensors");
    SafeTensors.write(sparsity, List.of(StoredTensor.ofFloats("sparsity", logs, 24)), Map.of());
    try (StoredSae stored = SaeFiles.open(folder)) {
      assertEquals(2.4, stored.claims().quality().getOrDefault("l0", 0.0), 1e-6);
    }
    // The golden file says that every feature was always active.
    try (StoredSae stored = SaeFiles.open(FILES.resolve("prisma_relu"))) {
      assertEquals(Map.of("l0", 24.0), stored.claims().quality());
      assertEquals("all", stored.claims().tokens());
    }
    logs[3] = 0.5f;
    SafeTensors.write(sparsity, List.of(StoredTensor.ofFloats("sparsity", logs, 24)), Map.of());
    oneLine(() -> SaeFiles.open(folder), "feature 3");
    SafeTensors.write(sparsity, List.of(StoredTensor.ofFloats("sparsity", logs, 8, 3)), Map.of());
    oneLine(() -> SaeFiles.open(folder), "feature 3");
    float[] few = {-1, -2};
    SafeTensors.write(sparsity, List.of(StoredTensor.ofFloats("sparsity", few, 2)), Map.of());
    oneLine(() -> SaeFiles.open(folder), "2 numbers");
  }

  @Test
  void aFolderWithoutAnSaeOrWithTwoIsRefused() throws IOException {
    Path folder = Files.createDirectories(temp.resolve("none"));
    oneLine(() -> SaeFiles.open(folder), "holds no SAE");
    oneLine(() -> SaeFiles.open(temp.resolve("absent")), "absent");
    oneLine(() -> SaeFiles.open(temp.resolve("absent.pt")), "absent.pt");
    Path golden = FILES.resolve("openai_topk/autoencoder.pt");
    Files.copy(golden, folder.resolve("a.pt"));
    Files.copy(golden, folder.resolve("b.pt"));
    oneLine(() -> SaeFiles.open(folder), "2 files");
    Files.writeString(folder.resolve("note.txt"), "no tensors");
    oneLine(() -> SaeFiles.open(folder.resolve("note.txt")), "note.txt");
  }

  @Test
  void anUncalibratedThresholdIsReadAsTopKAndSaid() throws IOException {
    Path folder = copy("dictionary_batchtopk");
    Path config = folder.resolve("config.json");
    // The same tensors without a calibrated threshold.
    Path topk = FILES.resolve("dictionary_topk/ae.pt");
    Files.copy(topk, folder.resolve("ae.pt"), java.nio.file.StandardCopyOption.REPLACE_EXISTING);
    assertTrue(Files.readString(config).contains("BatchTopKSAE"));
    try (StoredSae stored = SaeFiles.open(folder)) {
      assertEquals(new SaeActivation.TopK(5), stored.sae().activation());
      assertTrue(String.join(" ", stored.claims().notes()).contains("never calibrated"));
    }
    // Without its configuration a calibrated one cannot be told from a TopK.
    Path bare = copy("dictionary_batchtopk");
    Files.delete(bare.resolve("config.json"));
    oneLine(() -> SaeFiles.open(bare), "config.json");
  }
}
