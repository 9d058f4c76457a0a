// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.edit;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.InputException;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.ResidualEdit;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SaeActivation;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The edit that keeps a few rows against the one with the whole SAE. */
final class CompiledEditTest {
  private static final HookPoint POINT = HookPoint.residPost(3);
  private static final int D = 24;
  private static final int FEATURES = 40;

  @TempDir private Path temp;

  private static Tensor tensor(Random random, double deviation, long... shape) {
    int n = 1;
    for (long extent : shape) n *= (int) extent;
    float[] values = new float[n];
    for (int i = 0; i < n; i++) values[i] = (float) (deviation * random.nextGaussian());
    return Tensor.of(values, shape);
  }

  private static Sae sae(
      SaeActivation activation, InputNormalisation normalisation, boolean subtracts) {
    Random random = new Random(6);
    try (Scope scope = Scope.open()) {
      return new Sae(
          activation,
          normalisation,
          scope.release(tensor(random, 0.3, D, FEATURES)),
          scope.release(tensor(random, 0.5, FEATURES)),
          scope.release(tensor(random, 0.3, FEATURES, D)),
          scope.release(tensor(random, 0.4, D)),
          subtracts);
    }
  }

  private static SaeActivation.JumpRelu jump() {
    float[] thresholds = new float[FEATURES];
    for (int f = 0; f < FEATURES; f++) thresholds[f] = 0.1f * (f % 7);
    return new SaeActivation.JumpRelu(thresholds);
  }

  private static InputNormalisation standardise() {
    float[] mean = new float[D];
    for (int j = 0; j < D; j++) mean[j] = 0.1f * j - 1;
    return new InputNormalisation.Standardise(mean, 1.7);
  }

  private static Tensor residual() {
    return tensor(new Random(8), 1.5, 3, 7, D);
  }

  @Test
  void isTheEditOfTheWholeSae() {
    List<InputNormalisation> normalisations =
        List.of(new InputNormalisation.None(), new InputNormalisation.LayerNorm(), standardise());
    int cases = 0;
    for (SaeActivation activation : List.of(new SaeActivation.Relu(), jump())) {
      for (InputNormalisation normalisation : normalisations) {
        for (boolean subtracts : new boolean[] {true, false}) {
          for (TokenSelection tokens : TokenSelection.values()) {
            try (Scope scope = Scope.open();
                Sae sae = sae(activation, normalisation, subtracts)) {
              same(sae, tokens);
              cases++;
            }
          }
        }
      }
    }
    assertEquals(36, cases);
  }

  /** Two values: features 3 and 9 become 0, feature 17 becomes 2.5. */
  private static void same(Sae sae, TokenSelection tokens) {
    EditSite site = EditSite.of(POINT, tokens, 2);
    ResidualEdit zero = new Edit(site, new Edit.Features(sae, 3, 9), Rule.ablate());
    ResidualEdit set = new Edit(site, new Edit.Features(sae, 17), new Rule.Set(2.5f));
    float[] x = residual().toFloats();
    float[] a = zero.edit(POINT, residual()).toFloats();
    float[] b = set.edit(POINT, residual()).toFloats();
    float[] expected = new float[x.length];
    double moved = 0;
    for (int i = 0; i < x.length; i++) {
      expected[i] = a[i] + b[i] - x[i];
      moved += Math.abs(expected[i] - x[i]);
    }
    assertTrue(moved > 1, "moved " + moved);
    try (CompiledEdit edit =
        CompiledEdit.of(
            new Edit(site, new Edit.Features(sae, 3, 9, 17), new Rule.Set(0, 0, 2.5f)))) {
      assertArrayEquals(
          expected, edit.edit(POINT, residual()).toFloats(), 1e-5f, tokens + " " + sae);
    }
    capped(sae, tokens);
  }

  /** Through the whole SAE, activation by activation. */
  private static void capped(Sae sae, TokenSelection tokens) {
    int[] ids = {3, 9, 17};
    float[] caps = {0.4f, 0, 1};
    int[] counts = new int[2];
    Tensor x = residual();
    int first = tokens.first(2);
    int count = tokens.count(2, 7);
    Tensor rows = x.narrow(1, first, count).reshape(3L * count, D).contiguous();
    Sae.Encoded encoded = sae.encode(rows);
    float[] moved = encoded.code().columns(ids).toFloats();
    for (int i = 0; i < moved.length; i++) {
      counts[moved[i] > caps[i % 3] ? 1 : 0]++;
      moved[i] = Math.min(moved[i], caps[i % 3]) - moved[i];
    }
    Tensor added =
        Tensor.of(moved, 3L * count, 3)
            .matmul(sae.decoder().indexSelect(0, Tensor.of(new long[] {3, 9, 17}, 3)))
            .mul(encoded.input().scale());
    assertTrue(counts[0] > 0 && counts[1] > 0, "some are above, some below");
    Tensor expected = x.copy();
    expected.narrow(1, first, count).addInPlace(added.reshape(3, count, D));
    Edit whole =
        new Edit(EditSite.of(POINT, tokens, 2), new Edit.Features(sae, ids), new Rule.Cap(caps));
    try (CompiledEdit edit = CompiledEdit.of(whole)) {
      assertArrayEquals(expected.toFloats(), edit.edit(POINT, residual()).toFloats(), 1e-5f);
    }
  }

  @Test
  void competingFeaturesNeedTheWholeEncoder() {
    for (boolean subtracts : new boolean[] {true, false}) {
      for (Rule rule :
          List.of(
              new Rule.Set(0, 1, 2),
              new Rule.Cap(0.4f, 0, 1),
              new Rule.Scale(2),
              add(),
              new Rule.Times(new Rule.Set(0, 1, 2), 0.5f, 1, 1.75f),
              new Rule.Times(new Rule.Cap(0.4f, 0, 1), 2, 1, 0.25f))) {
        try (Scope scope = Scope.open();
            Sae sae =
                sae(new SaeActivation.TopK(9), new InputNormalisation.LayerNorm(), subtracts)) {
          sameAs(new Edit(ALL, new Edit.Features(sae, 3, 9, 17), rule), 9);
        }
      }
    }
  }

  private static Rule add() {
    return new Rule.Add(-1.5);
  }

  @Test
  void neuronsAndDirectionsCompile() {
    float[] along = tensor(new Random(3), 0.5, D).toFloats();
    float[] centre = tensor(new Random(4), 2, D).toFloats();
    try (Scope scope = Scope.open()) {
      for (Rule rule : List.of(new Rule.Set(0, -3), new Rule.Cap(-1, 1), new Rule.Scale(-2))) {
        sameAs(new Edit(ALL, new Edit.Neurons(D, 5, 2), rule), 0);
      }
      for (Rule rule : List.of(Rule.ablate(), new Rule.Cap(0.5f), add())) {
        sameAs(new Edit(ALL, new Edit.Direction(along, centre, null), rule), 0);
      }
      float[] read = tensor(new Random(5), 0.5, 2, D).toFloats();
      float[] written = tensor(new Random(6), 0.5, 2, D).toFloats();
      Edit.Direction oblique = new Edit.Direction(read, written, centre, null);
      sameAs(new Edit(ALL, oblique, new Rule.Scale(-0.5)), 0);
      float[] before = residual().toFloats();
      float[] after = new Edit(ALL, oblique, Rule.ablate()).edit(POINT, residual()).toFloats();
      for (int row = 0; row < before.length / D; row++) {
        for (int j = 0; j < D; j++) {
          double expected = before[row * D + j];
          for (int k = 0; k < 2; k++) {
            double active = 0;
            for (int i = 0; i < D; i++) {
              active += (before[row * D + i] - centre[i]) * (double) read[k * D + i];
            }
            expected -= active * written[k * D + j];
          }
          assertEquals(expected, after[row * D + j], 1e-4);
        }
      }
    }
  }

  private static final EditSite ALL = EditSite.of(POINT, TokenSelection.ALL, 1);

  /** Through the file as well. */
  private void sameAs(Edit edit, int topK) {
    float[] expected = edit.edit(POINT, residual()).toFloats();
    assertTrue(distance(expected, residual().toFloats()) > 0.1, "it moves");
    Path file = temp.resolve("same.safetensors");
    try (CompiledEdit compiled = CompiledEdit.of(edit)) {
      assertEquals(topK, compiled.topK());
      assertArrayEquals(expected, compiled.edit(POINT, residual()).toFloats(), 2e-5f);
      EditSidecar.write(compiled, file, Map.of());
    }
    try (CompiledEdit read = EditSidecar.read(file)) {
      assertArrayEquals(expected, read.edit(POINT, residual()).toFloats(), 2e-5f);
    }
  }

  private static double distance(float[] a, float[] b) {
    double most = 0;
    for (int i = 0; i < a.length; i++) most = Math.max(most, Math.abs(a[i] - b[i]));
    return most;
  }

  @Test
  void isReadAsItWasWritten() throws IOException {
    Path file = temp.resolve("edit.safetensors");
    try (Scope scope = Scope.open();
        Sae sae = sae(jump(), new InputNormalisation.LayerNorm(), true);
        CompiledEdit edit =
            CompiledEdit.of(
                new Edit(
                    EditSite.of(POINT, TokenSelection.PATCHES, 1),
                    new Edit.Features(sae, 5, 6),
                    new Rule.Set(1, -2)))) {
      EditSidecar.write(edit, file, Map.of("model_sha256", "abc"));
      try (CompiledEdit read = EditSidecar.read(file)) {
        assertEquals(edit.units(), read.units());
        assertEquals(edit.site(), read.site());
        assertArrayEquals(
            edit.edit(POINT, residual()).toFloats(), read.edit(POINT, residual()).toFloats());
      }
      Path other = temp.resolve("capped.safetensors");
      try (CompiledEdit capped =
          CompiledEdit.of(
              new Edit(
                  EditSite.of(POINT, TokenSelection.ALL, 1),
                  new Edit.Features(sae, 5),
                  new Rule.Cap(1)))) {
        EditSidecar.write(capped, other, Map.of());
      }
      try (CompiledEdit read = EditSidecar.read(other)) {
        assertEquals(Rule.RuleKind.CAP, read.rule());
      }
    }
    byte[] bytes = Files.readAllBytes(file);
    byte[] cut = java.util.Arrays.copyOf(bytes, bytes.length - 40);
    Path damaged = Files.write(temp.resolve("cut.safetensors"), cut);
    assertThrows(InputException.class, () -> EditSidecar.read(damaged));
    String text = new String(bytes, java.nio.charset.StandardCharsets.ISO_8859_1);
    for (String[] change :
        new String[][] {
          {"clipsteer-edit", "clipsteer-ed1t"},
          {"PATCHES", "PATCHED"},
          {"layer_norm", "layer_nurm"},
          {"blocks.3", "blocks.x"},
          {"\"rule\":\"set\"", "\"rule\":\"sat\""},
          {"\"top_k\":\"0\"", "\"top_k\":\"3\""},
          {"\"version\":\"3\"", "\"version\":\"1\""}
        }) {
      Path other = temp.resolve("other.safetensors");
      Files.write(
          other,
          text.replace(change[0], change[1])
              .getBytes(java.nio.charset.StandardCharsets.ISO_8859_1));
      assertThrows(InputException.class, () -> EditSidecar.read(other), change[1]);
    }
  }
}
