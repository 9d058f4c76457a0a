// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.data.tensor.SafeTensors;
import io.clipsteer.data.tensor.TensorFile;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.OneThread;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.edit.Edit;
import io.clipsteer.engine.edit.EditSite;
import io.clipsteer.engine.edit.Rule;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SaeActivation;
import io.clipsteer.engine.sae.format.SaeFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** SAEs against PyTorch's autograd and their definitions in double. */
@ExtendWith(OneThread.class)
final class SaeTest {
  private static final int D = 12;
  private static final int F = 40;
  private static final int K = 5;

  private static InputNormalisation normalisation(String name) {
    return name.equals("none") ? new InputNormalisation.None() : new InputNormalisation.LayerNorm();
  }

  private static float[] gaussian(long seed, int n, double scale) {
    Random random = new Random(seed);
    float[] values = new float[n];
    for (int i = 0; i < n; i++) values[i] = (float) (scale * random.nextGaussian());
    return values;
  }

  /** An SAE with weights of all kinds, not the tidy ones that training starts from. */
  private static Sae random(Scope scope, InputNormalisation normalisation, boolean subtracts) {
    return new Sae(
        new SaeActivation.TopK(K),
        normalisation,
        scope.release(Tensor.of(gaussian(1, D * F, 0.4), D, F)),
        scope.release(Tensor.of(gaussian(2, F, 0.2), F)),
        scope.release(Tensor.of(gaussian(3, D * F, 0.5), F, D)),
        scope.release(Tensor.of(gaussian(4, D, 0.3), D)),
        subtracts);
  }

  // ---- training
  // -----------------------------------------------------------------------------------

  private static Sae golden(TensorFile file, String prefix, InputNormalisation normalisation) {
    try (Scope scope = Scope.open()) {
      return new Sae(
          new SaeActivation.TopK(K),
          normalisation,
          scope.release(Tensor.of(file.get(prefix + "W_enc"))),
          scope.release(Tensor.of(file.get(prefix + "b_enc"))),
          scope.release(Tensor.of(file.get(prefix + "W_dec"))),
          scope.release(Tensor.of(file.get(prefix + "b_dec"))),
          true);
    }
  }

  private static void assertWeights(TensorFile file, String prefix, SaeTrainer trainer) {
    try (Sae sae = trainer.snapshot()) {
      near(file, prefix + "W_enc", sae.encoder());
      near(file, prefix + "b_enc", sae.encoderBias());
      near(file, prefix + "W_dec", sae.decoder());
      near(file, prefix + "b_dec", sae.decoderBias());
    }
  }

  private static void near(TensorFile file, String name, Tensor actual) {
    // Ghost gradients weigh each entry by one over its own square, which enlarges float rounding.
    float within = name.startsWith("relu_ghost.after3") ? 3e-5f : 1e-5f;
    assertArrayEquals(file.get(name).toFloats(), actual.toFloats(), within, name);
  }

  /** One step on the golden batch, whose loss must be the golden one. */
  private static SaeTrainer.Step step(
      SaeTrainer trainer, TensorFile file, String name, int step, double tolerance) {
    Tensor batch = Tensor.of(file.get("x")).select(0, step).contiguous();
    SaeTrainer.Step done = trainer.step(batch, 1e-2);
    float loss = file.get(name + ".loss").toFloats()[step];
    assertEquals(loss, done.loss(), tolerance * loss, "step " + step);
    return done;
  }

  @ParameterizedTest
  @ValueSource(strings = {"none", "layer_norm"})
  void stepsEqualAutograd(String name) {
    Path golden = Path.of("src/test/resources/sae/golden.safetensors");
    InputNormalisation normalisation = normalisation(name);
    var kind =
        name.equals("none") ? InputNormalisation.Kind.NONE : InputNormalisation.Kind.LAYER_NORM;
    var config = SaeTrainer.Config.of(new SaeVariant.TopK(K), D, F, kind, DType.F32, 1);
    try (TensorFile file = SafeTensors.open(golden);
        Sae start = golden(file, name + ".start.", normalisation);
        SaeTrainer trainer = new SaeTrainer(config, start);
        Scope scope = Scope.open()) {
      for (int step = 0; step < 3; step++) {
        SaeTrainer.Step done = step(trainer, file, name, step, 1e-5);
        assertTrue(done.l0() > 3 && done.l0() <= K, done::toString);
        if (step == 0) assertWeights(file, name + ".after1.", trainer);
      }
      assertWeights(file, name + ".after3.", trainer);
      assertEquals(3, trainer.steps());
      // The start itself is a copy and stays as it was.
      near(file, name + ".start.W_enc", start.encoder());
    }
  }

  @ParameterizedTest
  @CsvSource({
    "relu_mse,'relu:l1=0.01'",
    "relu_paper,'relu:l1=0.01,loss=paper'",
    "relu_fvu,'relu:l1=0.01,loss=fvu'",
    "relu_few,'relu:l1=0.01'",
    "relu_clip,'relu:l1=0.01'",
    "relu_ghost,'relu:l1=0.01,loss=paper,ghost=true'",
    "topk_aux,'topk:k=5,aux=0.5'",
    "topk_token_fvu,'topk:k=5,loss=token_fvu'",
    "batchtopk,'batchtopk:k=5'",
    "matryoshka,'matryoshka:k=5,groups=3'",
    "jumprelu,'jumprelu:l0=0.02,bandwidth=0.5'"
  })
  void everyVariantsStepsEqualAutograd(String name, String spelling, @TempDir Path folder) {
    stepsEqualAutograd(name, spelling, folder, false);
    stepsEqualAutograd(name, spelling, folder, true);
  }

  private static void stepsEqualAutograd(
      String name, String spelling, Path folder, boolean tensorsAlone) {
    SaeVariant variant = SaeVariant.parse(spelling);
    double clip = name.equals("relu_clip") ? 0.05 : 0;
    var config =
        new SaeTrainer.Config(
            variant,
            D,
            F,
            InputNormalisation.Kind.LAYER_NORM,
            DType.F32,
            clip,
            17,
            0,
            SaeTrainer.Centre.MEAN,
            1,
            Device.CPU);
    try (TensorFile file =
            SafeTensors.open(Path.of("src/test/resources/sae/variants.safetensors"));
        Sae start = start(file, name.equals("relu_few") || name.equals("relu_ghost"));
        SaeTrainer trainer = new SaeTrainer(config, start);
        SaeTrainer resumed = new SaeTrainer(config, start);
        Scope scope = Scope.open()) {
      if (tensorsAlone) {
        trainer.withTensorsAlone();
        resumed.withTensorsAlone();
      }
      for (int step = 0; step < 3; step++) {
        step(trainer, file, name, step, 2e-5);
        if (step == 0) {
          assertWeights(file, name + ".after1.", trainer);
          trainer.save(folder.resolve("state.safetensors"));
          resumed.resume(folder.resolve("state.safetensors"));
        } else {
          step(resumed, file, name, step, 2e-5);
        }
      }
      assertWeights(file, name + ".after3.", trainer);
      trainer.save(folder.resolve("a"));
      resumed.save(folder.resolve("b"));
      assertEquals(-1, Files.mismatch(folder.resolve("a"), folder.resolve("b")), "resumed");
      if (variant instanceof SaeVariant.JumpRelu) {
        float[] logs = file.get("jumprelu.after3.log_threshold").toFloats();
        try (Sae sae = trainer.snapshot()) {
          float[] learned = ((SaeActivation.JumpRelu) sae.activation()).thresholds();
          for (int f = 0; f < F; f++) assertEquals(Math.exp(logs[f]), learned[f], 1e-5);
        }
      }
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private static Sae start(TensorFile file, boolean few) {
    try (Scope scope = Scope.open()) {
      return new Sae(
          new SaeActivation.Relu(),
          new InputNormalisation.LayerNorm(),
          scope.release(Tensor.of(file.get("start.W_enc"))),
          scope.release(Tensor.of(file.get(few ? "start.sparse_b_enc" : "start.b_enc"))),
          scope.release(Tensor.of(file.get("start.W_dec"))),
          scope.release(Tensor.of(file.get("start.b_dec"))),
          true);
    }
  }

  /** A bf16 product that only proposes: losses and codes of exact training, but for near ties. */
  @Test
  void aBf16ProductTrainsAsTheExactOne() {
    int d = 48;
    int f = 600;
    float[] dictionary = gaussian(21, 300 * d, 0.2);
    double[][] losses = new double[2][];
    for (DType product : new DType[] {DType.F32, DType.BF16}) {
      var config =
          SaeTrainer.Config.of(
              new SaeVariant.TopK(8), d, f, InputNormalisation.Kind.LAYER_NORM, product, 3);
      Random random = new Random(5);
      double[] seen = new double[40];
      try (Scope scope = Scope.open();
          SaeTrainer trainer =
              new SaeTrainer(config, Tensor.of(mixture(random, dictionary, d, 128), 128, d))) {
        for (int step = 0; step < seen.length; step++) {
          try (Scope inner = Scope.open()) {
            Tensor x = Tensor.of(mixture(random, dictionary, d, 128), 128, d);
            seen[step] = trainer.step(x, 2e-3).loss();
          }
        }
      }
      losses[product == DType.F32 ? 0 : 1] = seen;
    }
    for (int step = 0; step < losses[0].length; step++) {
      assertEquals(losses[0][step], losses[1][step], 2e-3 * losses[0][step], "step " + step);
    }
    assertTrue(losses[0][39] < 0.8 * losses[0][0], "it learns");
  }

  @Test
  void aFreshSaeIsAsDocumented() {
    var config =
        SaeTrainer.Config.of(
            new SaeVariant.TopK(K), D, F, InputNormalisation.Kind.NONE, DType.F32, 7);
    try (Scope scope = Scope.open();
        Tensor sample = scope.release(Tensor.of(gaussian(5, 100 * D, 1), 100, D));
        SaeTrainer trainer = new SaeTrainer(config, sample);
        SaeTrainer twin = new SaeTrainer(config, sample);
        Sae sae = trainer.snapshot();
        Sae same = twin.snapshot()) {
      float[] decoder = sae.decoder().toFloats();
      assertArrayEquals(decoder, sae.encoder().transpose(0, 1).toFloats());
      assertArrayEquals(decoder, same.decoder().toFloats());
      assertArrayEquals(new float[F], sae.encoderBias().toFloats());
      float[] values = sample.toFloats();
      for (int j = 0; j < D; j++) {
        double mean = 0;
        for (int i = 0; i < 100; i++) mean += values[i * D + j] / 100;
        assertEquals(mean, sae.decoderBias().toFloats()[j], 1e-6);
      }
      for (int f = 0; f < F; f++) {
        double square = 0;
        for (int j = 0; j < D; j++) square += Math.pow(decoder[f * D + j], 2);
        assertEquals(1, square, 1e-5);
      }
    }
    assertThrows(
        IllegalArgumentException.class,
        () -> {
          var wrong =
              SaeTrainer.Config.of(
                  new SaeVariant.TopK(F + 1), D, F, InputNormalisation.Kind.NONE, DType.F32, 7);
          try (Scope scope = Scope.open()) {
            new SaeTrainer(wrong, Tensor.of(new float[D], 1, D)).close();
          }
        });
  }

  private static float[] mixture(Random random, float[] dictionary, int d, int n) {
    int truth = dictionary.length / d;
    float[] rows = new float[n * d];
    for (int i = 0; i < n; i++) {
      for (int active = 0; active < 3; active++) {
        int f = random.nextInt(truth);
        float strength = 1 + random.nextFloat();
        for (int j = 0; j < d; j++) rows[i * d + j] += strength * dictionary[f * d + j];
      }
    }
    return rows;
  }

  // ---- inference, by the definition in double
  // -------------------------------------------------------

  /** The definitions of docs/metrics.md, a token at a time. */
  private static final class Oracle {
    final double[] z = new double[D];
    final double[] code = new double[F];
    double mean;
    double scale = 1;
    double divisor = 1;
    private final float[] decoder;
    private final float[] decoderBias;

    Oracle(Sae sae, float[] x, int at) {
      decoder = sae.decoder().toFloats();
      decoderBias = sae.decoderBias().toFloats();
      float[] encoder = sae.encoder().toFloats();
      float[] encoderBias = sae.encoderBias().toFloats();
      if (sae.normalisation() instanceof InputNormalisation.LayerNorm) {
        for (int j = 0; j < D; j++) mean += x[at + j] / (double) D;
        double square = 0;
        for (int j = 0; j < D; j++) square += (x[at + j] - mean) * (x[at + j] - mean);
        scale = Math.sqrt(square / (D - 1));
        divisor = scale + 1e-5;
      }
      for (int j = 0; j < D; j++) z[j] = (x[at + j] - mean) / divisor;
      double[] pre = new double[F];
      for (int f = 0; f < F; f++) {
        pre[f] = encoderBias[f];
        for (int j = 0; j < D; j++) {
          pre[f] += (z[j] - (sae.subtractsDecoderBias() ? decoderBias[j] : 0)) * encoder[j * F + f];
        }
      }
      double[] sorted = pre.clone();
      Arrays.sort(sorted);
      double bar = sorted[F - K];
      for (int f = 0; f < F; f++) code[f] = pre[f] >= bar ? Math.max(0, pre[f]) : 0;
    }

    double[] decode(double[] activations) {
      double[] out = new double[D];
      for (int j = 0; j < D; j++) {
        double sum = decoderBias[j];
        for (int f = 0; f < F; f++) sum += activations[f] * decoder[f * D + j];
        out[j] = sum * scale + mean;
      }
      return out;
    }
  }

  @ParameterizedTest
  @CsvSource({"none,true", "none,false", "layer_norm,true", "layer_norm,false"})
  void encodeAndDecodeAreTheDefinition(String name, boolean subtracts) {
    int n = 23;
    float[] rows = gaussian(9, n * D, 1.5);
    try (Scope scope = Scope.open();
        Sae sae = random(scope, normalisation(name), subtracts)) {
      assertEquals(D, sae.width());
      assertEquals(F, sae.features());
      Tensor x = Tensor.of(rows, n, D);
      Sae.Encoded encoded = sae.encode(x);
      float[] dense = encoded.code().dense(F).toFloats();
      float[] decoded = sae.decode(encoded).toFloats();
      for (int i = 0; i < n; i++) {
        Oracle oracle = new Oracle(sae, rows, i * D);
        double[] back = oracle.decode(oracle.code);
        for (int f = 0; f < F; f++) assertEquals(oracle.code[f], dense[i * F + f], 1e-5);
        for (int j = 0; j < D; j++) assertEquals(back[j], decoded[i * D + j], 2e-5);
      }
      long[] indices = encoded.code().indices().to(DType.I64).toLongs();
      for (int i = 1; i < indices.length; i++) {
        if (i % K != 0) assertTrue(indices[i] > indices[i - 1], "indices rise along a row");
      }
      assertArrayEquals(rows, x.toFloats(), "the input is left alone");
      assertThrows(
          IllegalArgumentException.class, () -> sae.encode(Tensor.of(new float[26], 2, 13)));
    }
  }

  // ---- edits
  // ----------------------------------------------------------------------------------------

  @ParameterizedTest
  @EnumSource(TokenSelection.class)
  void editsAreDecodeOfTheChangedCodePlusTheError(TokenSelection selection) {
    int b = 3;
    int t = 7;
    int prefix = 2;
    float[] rows = gaussian(21, b * t * D, 1.2);
    List<Rule> rules =
        List.of(
            new Rule.Set(1.75f),
            Rule.ablate(),
            new Rule.Scale(-0.5),
            new Rule.Scale(1),
            new Rule.Add(2),
            new Rule.Cap(0.25f),
            new Rule.Times(new Rule.Set(1.75f), 1.5f),
            new Rule.Times(new Rule.Cap(0.25f), 0.5f));
    try (Scope scope = Scope.open()) {
      for (String name : List.of("none", "layer_norm")) {
        try (Sae sae = random(scope, normalisation(name), true)) {
          for (Rule rule : rules) {
            // A set of features that is active somewhere, and one number that is not first.
            int[] features = {17, 3, 39, 8, 22};
            EditSite site = EditSite.of(HookPoint.residPost(0), selection, prefix);
            var edit = new Edit(site, new Edit.Features(sae, features), rule);
            Tensor residual = Tensor.of(rows, b, t, D);
            float[] edited = edit.edit(HookPoint.residPost(0), residual).toFloats();
            assertArrayEquals(rows, residual.toFloats(), "the input is left alone");
            boolean acted = false;
            for (int token = 0; token < b * t; token++) {
              int at = token * D;
              if (!selected(selection, token % t, prefix)) {
                for (int j = at; j < at + D; j++) assertEquals(rows[j], edited[j], "untouched");
                continue;
              }
              Oracle oracle = new Oracle(sae, rows, at);
              double[] plain = oracle.decode(oracle.code);
              double[] code = oracle.code.clone();
              for (int f : features) code[f] = changed(rule, code[f]);
              double[] wanted = oracle.decode(code);
              for (int j = 0; j < D; j++) {
                double expected = wanted[j] + (rows[at + j] - plain[j]);
                assertEquals(expected, edited[at + j], 1e-5, rule.described() + " " + selection);
                acted |= Math.abs(expected - rows[at + j]) > 1e-3;
              }
            }
            boolean identity = rule instanceof Rule.Scale s && s.factor() == 1;
            assertEquals(!identity, acted, rule.described() + " " + selection);
          }
        }
      }
    }
  }

  private static boolean selected(TokenSelection selection, int token, int prefix) {
    return switch (selection) {
      case ALL -> true;
      case CLS -> token == 0;
      case PATCHES -> token >= prefix;
    };
  }

  private static double changed(Rule rule, double active) {
    return switch (rule) {
      case Rule.Set set -> set.values()[0];
      case Rule.Cap cap -> Math.min(cap.values()[0], active);
      case Rule.Scale scale -> active * scale.factor();
      case Rule.Add add -> active + add.value();
      case Rule.Times part ->
          active + part.strengths()[0] * (changed(part.whole(), active) - active);
    };
  }

  @Test
  void featuresOutOfRangeAreRefused() {
    try (Scope scope = Scope.open();
        Sae sae = random(scope, new InputNormalisation.None(), true)) {
      for (int feature : new int[] {-1, F, Integer.MAX_VALUE}) {
        InputException e =
            assertThrows(InputException.class, () -> new Edit.Features(sae, 0, feature));
        assertTrue(String.valueOf(e.getMessage()).contains("feature " + feature), e::getMessage);
      }
    }
  }

  // ---- files
  // ----------------------------------------------------------------------------------------

  @ParameterizedTest
  @CsvSource({"none,true", "layer_norm,false"})
  void whatIsWrittenIsRead(String name, boolean subtracts, @TempDir Path folder) {
    try (Scope scope = Scope.open();
        Sae sae = random(scope, normalisation(name), subtracts)) {
      SaeFiles.write(folder, sae, Map.of("hook_name", "blocks.0.hook_resid_post"));
      try (Sae back = SaeFiles.read(folder)) {
        assertEquals(sae.activation(), back.activation());
        assertEquals(sae.normalisation(), back.normalisation());
        assertEquals(subtracts, back.subtractsDecoderBias());
        assertArrayEquals(sae.encoder().toFloats(), back.encoder().toFloats());
        assertArrayEquals(sae.encoderBias().toFloats(), back.encoderBias().toFloats());
        assertArrayEquals(sae.decoder().toFloats(), back.decoder().toFloats());
        assertArrayEquals(sae.decoderBias().toFloats(), back.decoderBias().toFloats());
      }
    }
  }

  @Test
  void hostileFoldersAreRefused(@TempDir Path folder) throws IOException {
    refused(folder, "cfg.json");
    try (Scope scope = Scope.open();
        Sae sae = random(scope, new InputNormalisation.None(), true)) {
      SaeFiles.write(folder, sae, Map.of());
    }
    Path config = folder.resolve("cfg.json");
    String good = Files.readString(config);
    for (String text : List.of("", "{", "[]", "null", "7", "\"topk\"")) {
      Files.writeString(config, text);
      refused(folder, "cfg.json");
    }
    String[][] changes = {
      {"\"d_in\" : 12", "\"d_in\" : 13", "d_in is 13"},
      {"\"d_in\" : 12", "\"d_in\" : -12", "d_in"},
      {"\"d_in\" : 12", "\"d_in\" : \"12\"", "d_in"},
      {"\"d_in\" : 12", "\"d_in\" : 12.5", "d_in"},
      {"\"d_in\" : 12", "\"d_in\" : 99999999999999999999", "d_in"},
      {"\"d_sae\" : 40", "\"d_sae\" : 2147483647", "d_sae"},
      {"\"d_sae\" : 40", "\"d_sae\" : null", "d_sae"},
      {"\"d_sae\" : 40", "\"d_sae\" : 41", "d_sae is 41"},
      {"\"k\" : 5", "\"k\" : 0", "k is"},
      {"\"k\" : 5", "\"k\" : 41", "k is 41"},
      {"\"k\" : 5", "\"q\" : 5", "field q"},
      {"\"topk\"", "\"jumprelu\"", "threshold"},
      {"\"topk\"", "\"gated\"", "gated"},
      {"\"topk\"", "17", "architecture"},
      {"\"topk\"", "[\"topk\"]", "architecture"},
      {"\"none\"", "\"expected_average_only_in\"", "normalize_activations"},
      {"\"normalize_activations\" : \"none\"", "\"normalize_activations\" : {}", "normalize"},
      {"\"apply_b_dec_to_input\" : true", "\"apply_b_dec_to_input\" : \"maybe\"", "apply_b_dec"}
    };
    for (String[] change : changes) {
      assertTrue(good.contains(change[0]), change[0] + " in " + good);
      Files.writeString(config, good.replaceFirst(change[0], change[1]));
      refused(folder, change[2]);
    }
    Files.writeString(config, good);
    SaeFiles.read(folder).close();
    Path weights = folder.resolve("sae_weights.safetensors");
    byte[] whole = Files.readAllBytes(weights);
    for (int length : new int[] {0, 7, whole.length / 2, whole.length - 1}) {
      Files.write(weights, Arrays.copyOf(whole, length));
      refused(folder, "sae_weights.safetensors");
    }
    Files.delete(weights);
    refused(folder, "sae_weights.safetensors");
  }

  private static void refused(Path folder, String part) {
    InputException e =
        assertThrows(InputException.class, () -> SaeFiles.read(folder).close(), part);
    String message = String.valueOf(e.getMessage());
    assertEquals(1, message.lines().count(), message);
    assertTrue(message.contains(part), message);
  }

  @Test
  void variantsAreSpelled() {
    assertEquals("topk:k=32", SaeVariant.parse("topk:k=32").spelling());
    for (String good :
        List.of(
            "topk:k=4,aux=0.03125",
            "batchtopk:k=8",
            "relu:l1=1.0e-4,loss=paper",
            "relu:l1=0",
            "jumprelu:l0=0.001",
            "jumprelu:l0=2,bandwidth=0.5",
            "matryoshka:k=3",
            "matryoshka:k=3,groups=3")) {
      assertEquals(good, SaeVariant.parse(good).spelling());
    }
    for (String bad :
        List.of(
            "",
            "topk",
            "topk:k=0",
            "topk:k=-1",
            "topk:k=1e3",
            "relu",
            "relu:l1=",
            "relu:l1=-1",
            "relu:l1=1e-4,l1=2",
            "relu:l1=1,loss=l2",
            "topk:k=1,q=2",
            "matryoshka:k=3,groups=1",
            "jumprelu:l0=nan",
            "topk:k=9999999")) {
      assertThrows(InputException.class, () -> SaeVariant.parse(bad), bad);
    }
  }
}
