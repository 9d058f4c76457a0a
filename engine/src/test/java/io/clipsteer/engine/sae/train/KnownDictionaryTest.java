// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.engine.sae.train;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.edit.Edit;
import io.clipsteer.engine.edit.EditSite;
import io.clipsteer.engine.edit.Rule;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.Sae;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * SAEs find a dictionary that made the data: 512 random unit directions in 64 dimensions, 5 of them
 * in each token, the most frequent six times as often as the rarest, each 0.5 to 1.5 long.
 */
class KnownDictionaryTest {
  private static final int ATOMS = 512;
  private static final int WIDTH = 64;
  private static final int ACTIVE = 5;
  private static final int BATCH = 512;
  private static final int WARM_UP = 200;

  /** Tokens and what they are made of. */
  private record Tokens(float[] x, int[][] atoms, double[][] lengths) {
    Tensor tensor() {
      return Tensor.of(x, atoms.length, WIDTH);
    }

    /** How much of an atom is in a token. */
    double length(int token, int atom) {
      for (int a = 0; a < ACTIVE; a++) if (atoms[token][a] == atom) return lengths[token][a];
      return 0;
    }
  }

  /** An atom and the SAE's feature for it. */
  private record Pair(int atom, int feature, double cosine) {}

  private final SplittableRandom random = new SplittableRandom(7);
  private final float[][] dictionary = new float[ATOMS][WIDTH];
  private final double[] cumulated = new double[ATOMS];

  KnownDictionaryTest() {
    double sum = 0;
    for (int i = 0; i < ATOMS; i++) {
      double squares = 0;
      for (int j = 0; j < WIDTH; j++) {
        dictionary[i][j] = (float) random.nextGaussian();
        squares += dictionary[i][j] * dictionary[i][j];
      }
      for (int j = 0; j < WIDTH; j++) dictionary[i][j] /= (float) Math.sqrt(squares);
      sum += 1 / Math.sqrt(1 + i / 16.0);
      cumulated[i] = sum;
    }
  }

  /**
   * Five random directions in 64 dimensions disturb each other: a reader that is told which atoms
   * are present, and reads each by its own direction, gets R² = 1 − 4/64 = 0.94. No SAE can get
   * more by much; the limits below are what ours reach, less a margin.
   */
  @ParameterizedTest
  @CsvSource({"topk:k=5, 1024, 0.006, 2500, 0.73", "relu:l1=0.012, 768, 0.01, 4500, 0.45"})
  void theDictionaryIsFound(
      String variant, int features, double rate, int steps, double leastRemoved) {
    try (Sae sae = train(variant, features, rate, steps)) {
      List<Pair> found = match(sae);
      assertTrue(found.size() >= 0.95 * ATOMS, () -> found.size() + " found");
      double removed = removed(sae, found);
      assertTrue(removed >= leastRemoved, () -> "R² " + removed);
    }
  }

  private Sae train(String variant, int features, double rate, int steps) {
    var config =
        SaeTrainer.Config.of(
            SaeVariant.parse(variant), WIDTH, features, InputNormalisation.Kind.NONE, DType.F32, 1);
    try (Scope all = Scope.open();
        SaeTrainer trainer = new SaeTrainer(config, tokens(BATCH).tensor())) {
      for (int s = 0; s < steps; s++) {
        double now = s < WARM_UP ? (double) s / WARM_UP : Math.min(1, 5.0 * (steps - s) / steps);
        try (Scope scope = Scope.open()) {
          trainer.step(tokens(BATCH).tensor(), rate * now);
        }
      }
      return trainer.snapshot();
    }
  }

  private Tokens tokens(int n) {
    var tokens = new Tokens(new float[n * WIDTH], new int[n][ACTIVE], new double[n][ACTIVE]);
    for (int t = 0; t < n; t++) {
      Arrays.fill(tokens.atoms()[t], -1);
      for (int a = 0; a < ACTIVE; a++) {
        int atom = atom();
        while (tokens.length(t, atom) > 0) atom = atom();
        double length = 0.5 + random.nextDouble();
        tokens.atoms()[t][a] = atom;
        tokens.lengths()[t][a] = length;
        for (int j = 0; j < WIDTH; j++) {
          tokens.x()[t * WIDTH + j] += (float) (length * dictionary[atom][j]);
        }
      }
    }
    return tokens;
  }

  private int atom() {
    int at = Arrays.binarySearch(cumulated, random.nextDouble() * cumulated[ATOMS - 1]);
    return at < 0 ? -at - 1 : at;
  }

  /** Pairs of cosine 0.9 or more, best first, each atom and each feature in one pair at most. */
  private List<Pair> match(Sae sae) {
    float[] rows = sae.decoder().toFloats();
    List<Pair> all = new ArrayList<>();
    for (int i = 0; i < ATOMS; i++) {
      for (int f = 0; f < sae.features(); f++) {
        double cosine = 0;
        for (int j = 0; j < WIDTH; j++) cosine += dictionary[i][j] * rows[f * WIDTH + j];
        if (cosine >= 0.9) all.add(new Pair(i, f, cosine));
      }
    }
    all.sort(Comparator.comparingDouble(Pair::cosine).reversed());
    boolean[] atoms = new boolean[ATOMS];
    boolean[] features = new boolean[sae.features()];
    List<Pair> pairs = new ArrayList<>();
    for (Pair pair : all) {
      if (atoms[pair.atom()] || features[pair.feature()]) continue;
      atoms[pair.atom()] = true;
      features[pair.feature()] = true;
      pairs.add(pair);
    }
    return pairs;
  }

  /** R² between what ablating a feature takes away and what its atom had put in, over tokens. */
  private double removed(Sae sae, List<Pair> pairs) {
    int n = 4000;
    Tokens tokens = tokens(n);
    double off = 0;
    double all = 0;
    for (int p = 0; p < pairs.size(); p += 10) {
      Pair pair = pairs.get(p);
      float[] after = ablated(sae, pair.feature(), tokens);
      double mean = 0;
      for (int t = 0; t < n; t++) mean += tokens.length(t, pair.atom()) / n;
      for (int t = 0; t < n; t++) {
        double length = tokens.length(t, pair.atom());
        all += (length - mean) * (length - mean);
        for (int j = 0; j < WIDTH; j++) {
          int at = t * WIDTH + j;
          double miss = tokens.x()[at] - after[at] - length * dictionary[pair.atom()][j];
          off += miss * miss;
        }
      }
    }
    return 1 - off / all;
  }

  private static float[] ablated(Sae sae, int feature, Tokens tokens) {
    EditSite site = EditSite.of(HookPoint.residPost(0), TokenSelection.ALL, 0);
    var edit = new Edit(site, new Edit.Features(sae, feature), Rule.ablate());
    try (Scope scope = Scope.open()) {
      int n = tokens.atoms().length;
      return edit.edit(HookPoint.residPost(0), tokens.tensor().reshape(n, 1, WIDTH)).toFloats();
    }
  }
}
