// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

import io.clipsteer.data.Progress;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.Paused;
import io.clipsteer.engine.sae.Sae;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Directions of units in embedding space: by the images they are active on, and by their effect. A
 * row has unit length, or is 0 for a unit that is never active.
 *
 * @param images activation-weighted mean of the image embeddings minus the mean of all, [units,e]
 * @param decoder change of the mean image's embedding when the unit's direction, times its largest
 *     activation, is added to every token, [units,e]
 * @param strength {@link UnitTally#strength}, [units]
 * @param steered the mean image's embedding after that addition, of any length, [units,e]
 * @param base the mean image's embedding [e]
 * @param width e
 */
record UnitVectors(
    float[] images, float[] decoder, float[] strength, float[] steered, float[] base, int width) {
  private static final int BATCH = 64;

  static UnitVectors of(
      ClipModel model, IndexRun.IndexedGroup group, MeanResidual mean, Progress progress) {
    int width = model.vision().config().embedDim();
    UnitTally tally = group.tally();
    float[] images = new float[Math.multiplyExact(tally.units(), width)];
    float[] strength = new float[tally.units()];
    double[] all = tally.meanEmbedding();
    for (int u = 0; u < tally.units(); u++) {
      double[] own = tally.meanEmbedding(u);
      if (own == null) continue;
      strength[u] = (float) tally.strength(u);
      for (int j = 0; j < width; j++) images[u * width + j] = (float) (own[j] - all[j]);
    }
    normalise(images, width);
    float[] steered = new float[images.length];
    float[] base = new float[width];
    int[] alive = alive(tally);
    double flops = model.vision().flopsAfter(group.point().layer());
    try (Scope scope = Scope.open();
        var task =
            progress.start(
                "propagating decoder directions to the embedding", alive.length, "units")) {
      Paused paused = mean.paused().map(tensor -> tensor.to(model.vision().device()));
      base = model.vision().continueFrom(paused, Hooks.NONE).embedding().to(Device.CPU).toFloats();
      Tensor scale = scale(group.sae(), paused).to(paused.value().device());
      for (int from = 0; from < alive.length; from += BATCH) {
        int[] some = Arrays.copyOfRange(alive, from, Math.min(from + BATCH, alive.length));
        try (Scope inner = Scope.open()) {
          float[] rows = moved(model, group, paused, scale, some).to(Device.CPU).toFloats();
          for (int i = 0; i < some.length; i++) {
            System.arraycopy(rows, i * width, steered, some[i] * width, width);
          }
        }
        task.advance(some.length, flops * some.length);
      }
    }
    float[] decoder = new float[images.length];
    for (int u : alive) {
      for (int at = u * width; at < (u + 1) * width; at++) {
        decoder[at] = steered[at] - base[at - u * width];
      }
    }
    normalise(decoder, width);
    return new UnitVectors(images, decoder, strength, steered, base, width);
  }

  private static int[] alive(UnitTally tally) {
    return IntStream.range(0, tally.units()).filter(u -> tally.max(u) > 0).toArray();
  }

  /** Multiple of the direction that an activation of 1 adds to each token, [1,t,1]. */
  private static Tensor scale(@Nullable Sae sae, Paused base) {
    long t = base.value().size(1);
    Tensor rows = base.value().to(Device.CPU).reshape(t, base.value().size(2)).contiguous();
    if (sae == null) return rows.narrow(1, 0, 1).mul(0).addInPlace(1).reshape(1, t, 1);
    return sae.normalisation().apply(rows).scale().expand(t, 1).contiguous().reshape(1, t, 1);
  }

  /** Embeddings [some,e] of the mean image with each unit's direction added. */
  private static Tensor moved(
      ClipModel model, IndexRun.IndexedGroup group, Paused base, Tensor scale, int[] some) {
    long b = some.length;
    long t = base.value().size(1);
    long d = base.value().size(2);
    Tensor added = directions(group, some, (int) d).to(base.value().device()).reshape(b, 1, d);
    Tensor value = added.mul(scale).addInPlace(base.value());
    Tensor middle = base.middle();
    Paused paused =
        new Paused(
            base.at(),
            value.to(model.vision().dtype()),
            middle == null ? null : middle.expand(b, t, d).contiguous().to(model.vision().dtype()));
    return model.vision().continueFrom(paused, Hooks.NONE).embedding();
  }

  /** Direction times largest activation, [some,d]. */
  private static Tensor directions(IndexRun.IndexedGroup group, int[] some, int d) {
    float[] rows = new float[some.length * d];
    Sae sae = group.sae();
    for (int i = 0; i < some.length; i++) {
      float max = group.tally().max(some[i]);
      if (sae == null) {
        rows[i * d + some[i] % d] = some[i] < d ? max : -max;
      } else {
        float[] row = sae.decoder().narrow(0, some[i], 1).toFloats();
        for (int j = 0; j < d; j++) rows[i * d + j] = max * row[j];
      }
    }
    return Tensor.of(rows, some.length, d);
  }

  /** Scales rows to unit length; a row of zeros, or with NaN, becomes zeros. */
  static void normalise(float[] rows, int width) {
    for (int at = 0; at < rows.length; at += width) {
      double square = 0;
      for (int j = 0; j < width; j++) square += (double) rows[at + j] * rows[at + j];
      double factor = 1 / Math.sqrt(square);
      boolean has = square > 1e-20 && Double.isFinite(factor);
      for (int j = 0; j < width; j++) rows[at + j] = has ? (float) (rows[at + j] * factor) : 0;
    }
  }
}
