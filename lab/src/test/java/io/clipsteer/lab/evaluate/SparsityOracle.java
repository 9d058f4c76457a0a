// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.evaluate;

import io.clipsteer.data.image.ImageDecoder;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.ResidualEdit;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.engine.sae.InputNormalisation;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SaeActivation;
import io.clipsteer.lab.run.RunSaes;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Every number of a sparsity report by its definition: one image at a time, one whole pass of the
 * tower for each residual, the SAE's formulas in double, all tokens kept.
 */
final class SparsityOracle {
  /** A token as the SAE read it and gave it back, with its active features. */
  private record Token(int place, double[] x, double[] back, boolean[] active) {}

  private final ClipModel model;
  private final RunSaes.One one;
  private final List<Path> files;
  private final int[] truth;
  private final TextLibrary library;
  private final int first;
  private final int count;
  private final int width;
  private final List<Token> tokens = new ArrayList<>();

  SparsityOracle(
      ClipModel model, RunSaes.One one, List<Path> files, int[] truth, TextLibrary library) {
    this.model = model;
    this.one = one;
    this.files = files;
    this.truth = truth;
    this.library = library;
    this.width = one.sae().width();
    int all = model.vision().config().tokens();
    switch (one.selection()) {
      case ALL -> {
        first = 0;
        count = all;
      }
      case CLS -> {
        first = 0;
        count = 1;
      }
      case PATCHES -> {
        first = 1;
        count = all - 1;
      }
      default -> throw new AssertionError();
    }
    for (Path file : files) read(file);
  }

  private Tensor pixels(Path file) {
    var p = model.preprocessing();
    return Tensor.of(p.apply(ImageDecoder.decode(file)), 1, 3, p.height(), p.width());
  }

  private void read(Path file) {
    try (Scope scope = Scope.open()) {
      List<float[]> seen = new ArrayList<>();
      model
          .vision()
          .run(pixels(file), Hooks.NONE.tap(one.point(), value -> seen.add(value.toFloats())));
      for (int t = first; t < first + count; t++) {
        double[] x = new double[width];
        for (int j = 0; j < width; j++) x[j] = seen.getFirst()[t * width + j];
        boolean[] active = new boolean[one.sae().features()];
        tokens.add(new Token(t, x, reconstruct(x, active), active));
      }
    }
  }

  private double[] reconstruct(double[] x, boolean[] active) {
    Sae sae = one.sae();
    double shift = 0;
    double scale = 1;
    double divisor = 1;
    if (sae.normalisation() instanceof InputNormalisation.LayerNorm) {
      shift = Arrays.stream(x).average().orElseThrow();
      double square = 0;
      for (double value : x) square += (value - shift) * (value - shift);
      scale = Math.sqrt(square / (width - 1));
      divisor = scale + 1e-5;
    }
    float[] encoder = sae.encoder().toFloats();
    float[] decoder = sae.decoder().toFloats();
    float[] bias = sae.decoderBias().toFloats();
    float[] encoderBias = sae.encoderBias().toFloats();
    int features = sae.features();
    double[] f = new double[features];
    for (int k = 0; k < features; k++) {
      f[k] = encoderBias[k];
      for (int j = 0; j < width; j++) {
        double z = (x[j] - shift) / divisor - (sae.subtractsDecoderBias() ? bias[j] : 0);
        f[k] += z * encoder[j * features + k];
      }
    }
    double bound = 0;
    if (sae.activation() instanceof SaeActivation.TopK top) {
      double[] sorted = f.clone();
      Arrays.sort(sorted);
      bound = Math.max(0, Math.nextDown(sorted[features - top.k()]));
    }
    double[] y = new double[width];
    for (int j = 0; j < width; j++) y[j] = bias[j];
    for (int k = 0; k < features; k++) {
      double least =
          sae.activation() instanceof SaeActivation.JumpRelu jump ? jump.thresholds()[k] : bound;
      active[k] = f[k] > least;
      if (!active[k]) continue;
      for (int j = 0; j < width; j++) y[j] += f[k] * decoder[k * width + j];
    }
    for (int j = 0; j < width; j++) y[j] = y[j] * scale + shift;
    return y;
  }

  /** Over the tokens at places from {@code from} up to {@code to}. */
  double l0(int from, int to) {
    long active = 0;
    long n = 0;
    for (Token token : tokens) {
      if (token.place < from || token.place >= to) continue;
      n++;
      for (boolean a : token.active) if (a) active++;
    }
    return (double) active / n;
  }

  double[] mean() {
    double[] mean = new double[width];
    for (Token t : tokens) for (int j = 0; j < width; j++) mean[j] += t.x[j] / tokens.size();
    return mean;
  }

  private static double distance(double[] a, double[] b) {
    double sum = 0;
    for (int j = 0; j < a.length; j++) sum += (a[j] - b[j]) * (a[j] - b[j]);
    return sum;
  }

  private static double cosine(double[] a, double[] b) {
    double[] zero = new double[a.length];
    double product = 0;
    for (int j = 0; j < a.length; j++) product += a[j] * b[j];
    return product / Math.sqrt(distance(a, zero) * distance(b, zero));
  }

  double explainedVariance() {
    double[] mean = mean();
    double error = 0;
    double variance = 0;
    for (Token t : tokens) {
      error += distance(t.x, t.back);
      variance += distance(t.x, mean);
    }
    return 1 - error / variance;
  }

  double explainedVariancePerToken() {
    double[] mean = mean();
    return tokens.stream()
        .mapToDouble(t -> 1 - distance(t.x, t.back) / distance(t.x, mean))
        .average()
        .orElseThrow();
  }

  double cosine() {
    return tokens.stream().mapToDouble(t -> cosine(t.x, t.back)).average().orElseThrow();
  }

  double cosineByCoordinate() {
    double sum = 0;
    for (int j = 0; j < width; j++) {
      int at = j;
      double[] x = tokens.stream().mapToDouble(t -> t.x[at]).toArray();
      double[] y = tokens.stream().mapToDouble(t -> t.back[at]).toArray();
      sum += cosine(x, y);
    }
    return sum / width;
  }

  /** Share of tokens on which each feature is active. */
  double[] frequencies() {
    double[] shares = new double[one.sae().features()];
    for (int k = 0; k < shares.length; k++) {
      long n = 0;
      for (Token t : tokens) if (t.active[k]) n++;
      shares[k] = (double) n / tokens.size();
    }
    return shares;
  }

  /** Residual as it is. */
  double[] original(double factor) {
    return answers(null, factor);
  }

  /** x̂ in the place of x. */
  double[] spliced(double factor) {
    double[][] rows = tokens.stream().map(t -> t.back).toArray(double[][]::new);
    return answers(rows, factor);
  }

  /** A vector in the place of x. */
  double[] replaced(double[] vector, double factor) {
    double[][] rows = new double[tokens.size()][];
    Arrays.fill(rows, vector);
    return answers(rows, factor);
  }

  /** Mean cross-entropy in nats, and accuracy. */
  private double[] answers(double @Nullable [][] rows, double factor) {
    double entropy = 0;
    double right = 0;
    double judged = 0;
    for (int i = 0; i < files.size(); i++) {
      if (truth[i] < 0) continue;
      double[] logits = logits(i, rows);
      double sum = 0;
      int best = 0;
      for (int w = 0; w < logits.length; w++) {
        sum += Math.exp(factor * logits[w]);
        if (logits[w] > logits[best]) best = w;
      }
      entropy -= Math.log(Math.exp(factor * logits[truth[i]]) / sum);
      if (best == truth[i]) right++;
      judged++;
    }
    return new double[] {entropy / judged, right / judged};
  }

  private double[] logits(int image, double @Nullable [][] rows) {
    ResidualEdit edit =
        (point, residual) -> {
          if (rows == null) return residual;
          float[] values = residual.toFloats();
          for (int t = 0; t < count; t++) {
            for (int j = 0; j < width; j++) {
              values[(first + t) * width + j] = (float) rows[image * count + t][j];
            }
          }
          return Tensor.of(values, residual.shape());
        };
    try (Scope scope = Scope.open()) {
      Hooks hooks = Hooks.NONE.edit(one.point(), edit);
      float[] unit = model.vision().run(pixels(files.get(image)), hooks).embedding().toFloats();
      double[] logits = new double[library.words().size()];
      for (int w = 0; w < logits.length; w++) {
        for (int j = 0; j < unit.length; j++) {
          logits[w] += (double) unit[j] * library.embeddings()[w * unit.length + j];
        }
      }
      return logits;
    }
  }
}
