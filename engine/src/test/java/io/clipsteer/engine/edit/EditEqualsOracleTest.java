// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.edit;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.TokenMask;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SaeActivation;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.SplittableRandom;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;

/**
 * The one edit against the classes that it replaced, bit by bit in F32 on the CPU: the edits of
 * suppression (features set and capped, coordinates, a projection, noise), those of {@code steer},
 * and the compiled edit's arithmetic.
 */
final class EditEqualsOracleTest {
  private static final HookPoint POINT = HookPoint.residPost(3);
  private static final int D = 24;
  private static final int FEATURES = 40;
  private static final int T = 7;
  private static final int PREFIX = 2;
  private static final int[] IDS = {17, 3, 39};

  private final Random random = new Random(8);

  private Tensor tensor(double deviation, long... shape) {
    return Tensor.of(floats(deviation, shape), shape);
  }

  private float[] floats(double deviation, long... shape) {
    int n = 1;
    for (long extent : shape) n *= (int) extent;
    float[] values = new float[n];
    for (int i = 0; i < n; i++) values[i] = (float) (deviation * random.nextGaussian());
    return values;
  }

  private List<Sae> saes() {
    List<Sae> all = new ArrayList<>();
    List<SaeActivation> activations =
        List.of(
            new SaeActivation.TopK(8),
            new SaeActivation.Relu(),
            new SaeActivation.JumpRelu(new float[FEATURES]));
    for (SaeActivation activation : activations) {
      for (var norm : List.of(new InputNormalisation.None(), new InputNormalisation.LayerNorm())) {
        all.add(
            new Sae(
                activation,
                norm,
                tensor(0.3, D, FEATURES),
                tensor(0.5, FEATURES),
                tensor(0.3, FEATURES, D),
                tensor(0.4, D),
                true));
      }
    }
    return all;
  }

  /** A kind and rule of edit, with what it added to rows F32 [n,d] before. */
  private record Case(Edit.Target target, Rule rule, UnaryOperator<Tensor> added) {}

  private List<Case> cases(Sae sae) {
    float[] values = {0.5f, -2, 1.25f};
    float[] caps = {0.4f, 0, 0.8f};
    float[] centre = floats(1, D);
    float[] u = new float[D];
    u[1] = 0.6f;
    u[4] = -0.8f;
    UnaryOperator<Tensor> features = rows -> features(sae, rows, values, false);
    Edit like = new Edit(site("all"), new Edit.Features(sae, IDS), new Rule.Set(values));
    return List.of(
        new Case(new Edit.Features(sae, IDS), new Rule.Set(values), features),
        new Case(
            new Edit.Features(sae, IDS),
            Rule.ablate(),
            rows -> features(sae, rows, new float[3], false)),
        new Case(
            new Edit.Features(sae, IDS),
            new Rule.Cap(caps),
            rows -> features(sae, rows, caps, true)),
        new Case(
            new Edit.Neurons(D, 9, 5, 2), new Rule.Set(values), rows -> coordinates(rows, values)),
        new Case(new Edit.Neurons(D, 9), new Rule.Scale(-0.5), rows -> pushed(rows, -0.5, 0)),
        new Case(new Edit.Neurons(D, 9), new Rule.Add(3), rows -> pushed(rows, 1, 3)),
        new Case(
            new Edit.Direction(u, centre, null),
            Rule.ablate(),
            rows -> projection(rows, u, centre)),
        new Case(new Edit.Noise(like, 5), new Rule.Add(1), rows -> noise(features.apply(rows), 5)));
  }

  private static EditSite site(String tokens) {
    return new EditSite(POINT, new TokenMask(tokens), PREFIX);
  }

  @Test
  void theOneEditIsWhatEachWas() {
    int compared = 0;
    for (int b : new int[] {1, 3, 16}) {
      for (String tokens : List.of("all", "cls", "patches", "1,2,5")) {
        try (Scope scope = Scope.open()) {
          Tensor residual = tensor(1.5, b, T, D);
          boolean[] mask = new TokenMask(tokens).mask(PREFIX, T);
          for (Sae sae : saes()) {
            for (Case one : cases(sae)) {
              Tensor mine = new Edit(site(tokens), one.target, one.rule).edit(POINT, residual);
              String name = one.target.described() + one.rule.described() + tokens;
              assertArrayEquals(whole(residual, mask, one.added).toFloats(), mine.toFloats(), name);
              compared++;
            }
          }
        }
      }
    }
    assertEquals(3 * 4 * 6 * 8, compared);
  }

  /** The residual with what was added to the rows of its selected tokens. */
  private static Tensor whole(Tensor residual, boolean[] mask, UnaryOperator<Tensor> added) {
    long b = residual.size(0);
    List<Tensor> parts = new ArrayList<>();
    for (int t = 0; t < T; t++) if (mask[t]) parts.add(residual.narrow(1, t, 1));
    int n = parts.size();
    Tensor rows = Tensor.concat(parts, 1).reshape(b * n, D).contiguous();
    Tensor change = added.apply(rows).reshape(b, n, D);
    Tensor edited = residual.copy();
    int at = 0;
    for (int t = 0; t < T; t++) {
      if (mask[t]) edited.narrow(1, t, 1).addInPlace(change.narrow(1, at++, 1));
    }
    return edited;
  }

  /** As suppression's edit of features, and the former edit of features by the SAE. */
  private static Tensor features(Sae sae, Tensor rows, float[] values, boolean cap) {
    Sae.Encoded encoded = sae.encode(rows);
    Tensor active = encoded.code().columns(IDS);
    Tensor wanted = Tensor.of(values, 1, values.length);
    Tensor above = active.sub(wanted);
    Tensor changed =
        cap ? active.sub(above.whereAboveZero(above)) : active.mul(0).addInPlace(wanted);
    return changed
        .sub(active)
        .matmul(sae.decoder().indexSelect(0, ids()))
        .mulInPlace(encoded.input().scale());
  }

  private static Tensor ids() {
    long[] rows = new long[IDS.length];
    for (int k = 0; k < IDS.length; k++) rows[k] = IDS[k];
    return Tensor.of(rows, rows.length);
  }

  /** As suppression's edit of coordinates 9, 5 and 2. */
  private static Tensor coordinates(Tensor rows, float[] values) {
    Tensor added = rows.mul(0);
    int[] ids = {9, 5, 2};
    for (int c = 0; c < ids.length; c++) {
      Tensor column = rows.narrow(1, ids[c], 1);
      added.narrow(1, ids[c], 1).copyFrom(column.mul(-1).addInPlace(values[c]));
    }
    return added;
  }

  /** As {@code steer} changed coordinate 9: {@code factor·x + offset}. */
  private static Tensor pushed(Tensor rows, double factor, double offset) {
    float[] coordinates = new float[D];
    coordinates[9] = 1;
    return rows.mul(factor - 1).addInPlace(offset).mul(Tensor.of(coordinates, 1, D));
  }

  /** As suppression's projection. */
  private static Tensor projection(Tensor rows, float[] direction, float[] centre) {
    Tensor u = Tensor.of(direction, D, 1);
    return rows.sub(Tensor.of(centre, 1, D)).matmul(u).mulInPlace(-1).matmul(u.reshape(1, D));
  }

  /** As suppression's noise. */
  private static Tensor noise(Tensor like, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    float[] values = new float[D];
    for (int j = 0; j < D; j++) values[j] = (float) random.nextGaussian();
    return like.norm(1).matmul(Tensor.of(values, 1, D).unit());
  }

  /** {@code steer} multiplied by σ before the product with the directions, not after it. */
  @Test
  void steerMovesByRoundingOnly() {
    try (Scope scope = Scope.open()) {
      Tensor rows = tensor(1.5, 48, D);
      for (Sae sae : saes()) {
        Sae.Encoded encoded = sae.encode(rows);
        Tensor scale = encoded.input().scale();
        for (var pair :
            List.of(
                new Pushed(new Rule.Set(12), 0, 12),
                new Pushed(new Rule.Scale(-2), -2, 0),
                new Pushed(new Rule.Add(4), 1, 4))) {
          Tensor active = encoded.code().columns(IDS).mul(scale).mulInPlace(pair.factor - 1);
          float[] was =
              active
                  .add(scale.mul(pair.offset))
                  .matmul(sae.decoder().indexSelect(0, ids()))
                  .toFloats();
          Edit edit = new Edit(site("all"), new Edit.Features(sae, IDS), pair.rule);
          Tensor residual = rows.reshape(1, 48, D);
          float[] is = edit.added(new EncodedTokens(residual, edit.site(), edit.saes())).toFloats();
          assertArrayEquals(was, is, 2e-5f, pair.rule.described());
        }
      }
    }
  }

  private record Pushed(Rule rule, double factor, double offset) {}

  /** The compiled edit's arithmetic, which is that of the exported hook. */
  @Test
  void theCompiledEditIsWhatItWas() {
    try (Scope scope = Scope.open()) {
      Tensor residual = tensor(1.5, 3, T, D);
      for (Sae sae : saes()) {
        if (sae.activation() instanceof SaeActivation.TopK) continue;
        for (boolean cap : new boolean[] {false, true}) {
          Rule rule = cap ? new Rule.Cap(0.4f, 0, 0.8f) : new Rule.Set(0.5f, -2, 1.25f);
          Edit edit = new Edit(site("patches"), new Edit.Features(sae, IDS), rule);
          try (CompiledEdit compiled = CompiledEdit.of(edit)) {
            CompiledEdit.Rows at = compiled.rows();
            UnaryOperator<Tensor> added =
                x -> {
                  var input = sae.normalisation().apply(x);
                  boolean norm = compiled.layerNorm();
                  Tensor p = (norm ? input.z() : x).matmul(at.encoder()).addInPlace(at.bias());
                  Tensor active = p.whereAboveZero(p.sub(at.thresholds()));
                  Tensor moved =
                      cap
                          ? active.sub(at.values()).reluInPlace().mulInPlace(-1)
                          : active.mulInPlace(-1).addInPlace(at.values());
                  if (norm) moved.mulInPlace(input.scale());
                  return moved.matmul(at.decoder());
                };
            boolean[] mask = edit.site().tokens().mask(PREFIX, T);
            assertArrayEquals(
                whole(residual, mask, added).toFloats(), compiled.edit(POINT, residual).toFloats());
          }
        }
      }
    }
  }
}
