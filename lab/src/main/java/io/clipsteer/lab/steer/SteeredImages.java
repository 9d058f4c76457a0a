// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.tensor.DType;
import io.clipsteer.engine.Device;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.AnswerHead;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Paused;
import io.clipsteer.engine.model.ReadOut;
import io.clipsteer.engine.model.Site;
import io.clipsteer.engine.steer.Continued;
import io.clipsteer.engine.steer.LastLayer;
import io.clipsteer.engine.steer.Sweep;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.TowerWalk;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Images on their way through a tower: their residuals at each hook point are kept.
 *
 * @param head the vocabulary
 * @param seed of the order of the images
 */
record SteeredImages(ClipModel model, Images batches, AnswerHead head, long seed) {
  /** Most bytes of residuals kept in memory. */
  private static final long KEPT_BYTES = 3L << 30;

  /**
   * One pass over the images: fills a sweep for every hook point, in the tower's order.
   *
   * @param maxima receives the largest value of every coordinate over all tokens
   * @throws InputException when no image can be read or they do not fit
   */
  List<ImageLoader.Skipped> prepare(
      List<HookPoint> points,
      Map<HookPoint, Sweep> sweeps,
      Map<HookPoint, double[]> maxima,
      Progress progress) {
    TowerWalk walk = TowerWalk.past(model.vision(), points);
    Map<HookPoint, List<Paused>> kept = new LinkedHashMap<>();
    for (HookPoint point : walk.points()) kept.put(point, new ArrayList<>());
    long[] bytes = new long[1];
    try (Scope scope = Scope.open()) {
      var skipped =
          batches.forEach(
              "running to the hook points",
              model.vision().flopsPerImage(),
              progress,
              (batch, pixels) -> {
                walk.walk(
                    pixels,
                    paused -> {
                      raise(maxima, paused);
                      Paused copy = copy(paused, scope);
                      kept.computeIfAbsent(copy.at(), p -> new ArrayList<>()).add(copy);
                      bytes[0] += copy.value().bytes() * (copy.middle() == null ? 1 : 2);
                    });
                if (bytes[0] > KEPT_BYTES) {
                  throw new InputException(
                      batches.set().origin(),
                      "its residuals take more than 3 GiB",
                      "Measure fewer images (--limit) or layers (--layers)");
                }
              });
      kept.forEach((point, parts) -> sweeps.put(point, sweep(point, parts)));
      return skipped;
    } finally {
      for (List<Paused> parts : kept.values()) parts.forEach(Paused::close);
    }
  }

  private static void raise(Map<HookPoint, double[]> maxima, Paused paused) {
    int width = Math.toIntExact(paused.value().size(2));
    double[] most =
        maxima.computeIfAbsent(
            paused.at(),
            at -> {
              double[] none = new double[width];
              Arrays.fill(none, Double.NEGATIVE_INFINITY);
              return none;
            });
    float[] values = paused.value().to(Device.CPU).to(DType.F32).toFloats();
    for (int i = 0; i < values.length; i++) most[i % width] = Math.max(most[i % width], values[i]);
  }

  private @Nullable ReadOut readOut(HookPoint point) {
    boolean last = point.layer() == model.vision().config().layers() - 1;
    boolean closed = last && point.site() == Site.RESID_POST && LastLayer.holds(head);
    return closed ? model.vision().readOut() : null;
  }

  /** A copy of what a hook point's sweep needs, released from the batch's scope. */
  private Paused copy(Paused paused, Scope scope) {
    boolean closed = readOut(paused.at()) != null;
    return paused.map(tensor -> scope.release((closed ? tensor.narrow(1, 0, 1) : tensor).copy()));
  }

  /** All images of a hook point, shuffled, so that the first few are a random sample. */
  private Sweep sweep(HookPoint point, List<Paused> parts) {
    try (Scope scope = Scope.open()) {
      Tensor value = shuffled(parts.stream().map(Paused::value).toList());
      ReadOut readOut = readOut(point);
      if (readOut != null) {
        return new LastLayer(readOut, value.reshape(value.size(0), value.size(2)), head);
      }
      Tensor middle =
          parts.getFirst().middle() == null
              ? null
              : shuffled(parts.stream().map(Paused::middle).map(Objects::requireNonNull).toList());
      Paused all = new Paused(point, value, middle);
      return new Continued(model.vision(), all, head);
    }
  }

  private Tensor shuffled(List<Tensor> parts) {
    Tensor all = Tensor.concat(parts, 0);
    int[] order = SteerabilityRun.shuffled(Math.toIntExact(all.size(0)), seed);
    long[] rows = Arrays.stream(order).asLongStream().toArray();
    return all.indexSelect(0, Tensor.of(rows, rows.length).to(all.device()));
  }
}
