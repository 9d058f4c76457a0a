// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.edit;

import com.fasterxml.jackson.annotation.JsonIgnore;
import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.edit.CompiledEdit;
import io.clipsteer.engine.edit.Edit;
import io.clipsteer.engine.edit.EncodedTokens;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.ResidualEdit;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.TowerWalk;
import java.util.Arrays;
import java.util.List;

/**
 * Thresholds in the place of a TopK SAE's competition, so that an edit needs only its own features'
 * rows of the SAE. A feature's threshold minimises the summed difference of its activations on
 * every second image; the other images measure what still differs.
 */
public final class ThresholdCalibration {
  private final ClipModel model;
  private final Edit edit;
  private final Edit.Features features;
  private final PreActivations[] seen;

  private ThresholdCalibration(ClipModel model, Edit edit, Edit.Features features) {
    this.model = model;
    this.edit = edit;
    this.features = features;
    seen = new PreActivations[features.ids().length];
    Arrays.setAll(seen, j -> new PreActivations());
  }

  /**
   * An edit with thresholds, and how it differs from the exact one on images that did not make
   * them.
   *
   * @param compiled the edit; the caller closes it
   * @param images held-out images
   * @param active part of tokens and features that are active in the SAE
   * @param disagree part of tokens and features that are active in one of both only
   * @param activationError sum of the differences of activations, divided by the sum of activations
   * @param edited mean cosine distance of embeddings between the exact edit and no edit
   * @param differs the same between the exact edit and the one with thresholds
   * @param differsMost the largest of these
   */
  public record Calibrated(
      @JsonIgnore CompiledEdit compiled,
      long images,
      double active,
      double disagree,
      double activationError,
      double edited,
      double differs,
      double differsMost,
      @JsonIgnore List<ImageLoader.Skipped> skipped) {}

  /**
   * Calibrates.
   *
   * @param edit features of an SAE
   * @param images at least two
   */
  public static Calibrated of(ClipModel model, Edit edit, Images images, Progress progress) {
    if (!(edit.target() instanceof Edit.Features features)) {
      throw new IllegalArgumentException(edit.described() + " has no thresholds");
    }
    return new ThresholdCalibration(model, edit, features).calibrate(images, progress);
  }

  private Calibrated calibrate(Images images, Progress progress) {
    TowerWalk walk = TowerWalk.past(model.vision(), List.of(edit.site().point()));
    try (var task = progress.start("calibrating thresholds", images.count(), "images")) {
      images.forEach(
          (batch, pixels) -> {
            walk.walk(
                pixels, paused -> collect(paused.value(), batch.positions().getFirst() % 2 == 1));
            task.advance(batch.count(), walk.flopsPerImage() * batch.count());
          });
    }
    float[] thresholds = new float[seen.length];
    for (int j = 0; j < seen.length; j++) thresholds[j] = seen[j].threshold();
    CompiledEdit compiled = CompiledEdit.of(edit, thresholds);
    try {
      return measured(compiled, thresholds, images, progress);
    } catch (RuntimeException e) {
      compiled.close();
      throw e;
    }
  }

  /** Of a batch's images every second one. */
  private void collect(Tensor residual, boolean odd) {
    try (Scope scope = Scope.open()) {
      Tensor own = half(residual, odd ? 1 : 0);
      if (own.size(0) > 0) each(own, (j, p, active) -> seen[j].add(p, active));
    }
  }

  /** Images 0, 2, 4 … of a batch from {@code first} on. */
  private static Tensor half(Tensor batch, int first) {
    long[] own = new long[(int) Math.max(0, (batch.size(0) - first + 1) / 2)];
    for (int i = 0; i < own.length; i++) own[i] = first + 2L * i;
    return batch.indexSelect(0, Tensor.of(own, own.length).to(batch.device()));
  }

  @FunctionalInterface
  private interface Taker {
    void take(int feature, float preActivation, float activation);
  }

  /** Pre-activation and activation of every edited feature on every edited token. */
  private void each(Tensor residual, Taker taker) {
    Sae sae = features.sae();
    EncodedTokens tokens = new EncodedTokens(residual, edit.site(), List.of(sae));
    Sae.Encoded encoded = tokens.encoded(sae);
    int k = seen.length;
    long[] ids = Arrays.stream(features.ids()).asLongStream().toArray();
    Tensor columns = Tensor.of(ids, k);
    Tensor z = encoded.input().z();
    if (sae.subtractsDecoderBias()) z = z.sub(sae.decoderBias());
    Tensor pre =
        z.matmul(sae.encoder().indexSelect(1, columns))
            .addInPlace(sae.encoderBias().indexSelect(0, columns));
    float[] p = pre.toFloats();
    float[] active = encoded.code().columns(features.ids()).toFloats();
    for (int i = 0; i < p.length; i++) taker.take(i % k, p[i], active[i]);
  }

  private Calibrated measured(
      CompiledEdit compiled, float[] thresholds, Images images, Progress progress) {
    Tally tally = new Tally();
    HookPoint point = edit.site().point();
    ResidualEdit spy =
        (where, residual) -> {
          each(residual, (j, p, active) -> tally.add(active, p > 0 && p > thresholds[j] ? p : 0));
          return edit.edit(where, residual);
        };
    List<ImageLoader.Skipped> skipped;
    try (var task = progress.start("measuring the disagreement", images.count(), "images")) {
      skipped =
          images.forEach(
              (batch, pixels) -> {
                boolean odd = batch.positions().getFirst() % 2 == 1;
                Tensor others = half(pixels, odd ? 0 : 1);
                task.advance(batch.count(), 1.5 * model.vision().flopsPerImage() * batch.count());
                if (others.size(0) == 0) return;
                Tensor plain = embedded(others, Hooks.NONE);
                Tensor exact = embedded(others, Hooks.NONE.edit(point, spy));
                Tensor other = embedded(others, Hooks.NONE.edit(point, compiled));
                tally.add(plain, exact, other);
              });
    }
    if (tally.images == 0) {
      throw new InputException(
          images.set().origin(),
          "thresholds need at least two images",
          "Give images like those that the model will see");
    }
    return tally.result(compiled, skipped);
  }

  private Tensor embedded(Tensor pixels, Hooks hooks) {
    return model.vision().run(pixels, hooks).embedding();
  }

  /** Pre-activations above 0 of one feature, as they come: twice their bits, plus 1 if active. */
  private static final class PreActivations {
    private long[] values = new long[256];
    private int count;

    void add(float p, float activation) {
      if (p <= 0) return;
      if (count == values.length) values = Arrays.copyOf(values, 2 * count);
      // Floats above 0 are in the order of their bits.
      values[count++] = 2L * Float.floatToIntBits(p) + (activation > 0 ? 1 : 0);
    }

    /** Lowers the threshold past one value after the other, from above all, and keeps the best. */
    float threshold() {
      Arrays.sort(values, 0, count);
      double cost = 0;
      double best = 0;
      float threshold = Float.POSITIVE_INFINITY;
      for (int i = count - 1; i >= 0; i--) {
        // From here on an active one agrees, an inactive one no longer.
        cost += values[i] % 2 == 1 ? -value(i) : value(i);
        if (cost >= best) continue;
        best = cost;
        threshold = i > 0 ? (value(i) + value(i - 1)) / 2 : 0;
      }
      return threshold;
    }

    private float value(int i) {
      return Float.intBitsToFloat((int) (values[i] / 2));
    }
  }

  /** What differs on held-out images. */
  private static final class Tally {
    private long images;
    private long tokens;
    private long active;
    private long disagree;
    private double sum;
    private double error;
    private double edited;
    private double differs;
    private double differsMost;

    void add(float exact, float other) {
      tokens++;
      if (exact > 0) active++;
      if (exact > 0 != other > 0) disagree++;
      sum += exact;
      error += Math.abs(exact - other);
    }

    void add(Tensor plain, Tensor exact, Tensor other) {
      long n = exact.size(0);
      float[] moved = exact.mul(plain).sum(1, false, exact.dtype()).toFloats();
      float[] apart = exact.mul(other).sum(1, false, exact.dtype()).toFloats();
      for (int i = 0; i < n; i++) {
        edited += Math.max(0, 1 - moved[i]);
        double distance = Math.max(0, 1 - apart[i]);
        differs += distance;
        differsMost = Math.max(differsMost, distance);
      }
      images += n;
    }

    Calibrated result(CompiledEdit compiled, List<ImageLoader.Skipped> skipped) {
      return new Calibrated(
          compiled,
          images,
          (double) active / tokens,
          (double) disagree / tokens,
          sum == 0 ? 0 : error / sum,
          edited / images,
          differs / images,
          differsMost,
          skipped);
    }
  }
}
