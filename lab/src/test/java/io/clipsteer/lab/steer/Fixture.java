// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.AnswerHead;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SaeActivation;
import io.clipsteer.engine.steer.Sweep;
import io.clipsteer.lab.index.IndexFolder;
import io.clipsteer.lab.run.RunFolder;
import io.clipsteer.lab.run.RunSaes;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;

/** SAEs and words that are made up. */
final class Fixture {
  private Fixture() {}

  private static Tensor tensor(Random random, double deviation, long... shape) {
    int n = 1;
    for (long extent : shape) n *= (int) extent;
    float[] values = new float[n];
    for (int i = 0; i < n; i++) values[i] = (float) (deviation * random.nextGaussian());
    try (Scope scope = Scope.open()) {
      return scope.release(Tensor.of(values, shape));
    }
  }

  /** A ReLU SAE on normed tokens; the caller closes it. */
  static Sae sae(int width, int features, long seed) {
    Random random = new Random(seed);
    Tensor decoder = tensor(random, 1 / Math.sqrt(width), features, width);
    return new Sae(
        new SaeActivation.Relu(),
        new InputNormalisation.LayerNorm(),
        tensor(random, 1 / Math.sqrt(width), width, features),
        tensor(random, 0.3, features),
        decoder,
        tensor(random, 0.1, width),
        true);
  }

  static RunSaes.One one(HookPoint point, Sae sae) {
    String folder = "saes/" + point.peerName() + ".relu";
    return new RunSaes.One(
        new RunFolder.SaeEntry(folder, point.peerName(), "all", "relu", 0, 0, 0), sae);
  }

  /** Of numbers: there is no index. */
  static UnitStrengths numbers(HookPoint point, Sae sae) {
    return new UnitStrengths(
        new IndexFolder(Path.of("no-index")), Path.of("no-run"), one(point, sae).entry());
  }

  /** Of all tokens at strength 150, with all features. */
  static SteerabilitySettings settings(
      double tau, boolean screen, int randoms, int dose, List<Integer> vocabularies) {
    List<SteeredUnits.UnitKind> kinds = List.of(SteeredUnits.UnitKind.values());
    return new SteerabilitySettings(
        kinds, List.of(Strength.of(150)), tau, "all", screen, 0, randoms, dose, vocabularies, 1);
  }

  /** Of class tokens, against a τ of 0.1. */
  static Measuring measuring(
      Sweep sweep, SteeredUnits units, TextLibrary words, Map<Integer, Integer> names) {
    return new Measuring(
        sweep,
        units,
        units.shifts(sweep.residuals()),
        new boolean[] {true},
        Similarity.of(AnswerHead.zeroShot(words, 1)),
        settings(0.1, false, 1, 0, List.of()),
        names);
  }

  /** Unit rows with much in common. */
  static TextLibrary library(int words, int e, long seed) {
    Random random = new Random(seed);
    float[] rows = new float[words * e];
    List<String> names = new ArrayList<>();
    double[] shared = random.doubles(e).toArray();
    for (int w = 0; w < words; w++) {
      double square = 0;
      double[] row = new double[e];
      for (int j = 0; j < e; j++) {
        row[j] = shared[j] + 0.5 * random.nextGaussian();
        square += row[j] * row[j];
      }
      for (int j = 0; j < e; j++) rows[w * e + j] = (float) (row[j] / Math.sqrt(square));
      names.add(w == 3 ? "with \"quotes\", and a comma" : "word" + w);
    }
    return new TextLibrary(names, rows, e);
  }
}
