// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
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
import java.util.HashMap;
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
   * One pass over the images: a sweep for hook points, which the caller closes.
   *
   * @param walk pauses at these and perhaps at others: what a tower computes depends, in the last
   *     bits, on where it pauses
   * @param points to keep
   * @return in the order of the points
   * @throws InputException when no image can be read or they do not fit
   */
  List<SteeredScene> prepare(TowerWalk walk, List<HookPoint> points, Progress progress) {
    Map<HookPoint, List<Paused>> kept = new LinkedHashMap<>();
    Map<HookPoint, double[]> maxima = new HashMap<>();
    for (HookPoint point : points) kept.put(point, new ArrayList<>());
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
                      List<Paused> parts = kept.get(paused.at());
                      if (parts == null) return;
                      raise(maxima, paused);
                      Paused copy = copy(paused, scope);
                      parts.add(copy);
                      bytes[0] += copy.value().bytes() * (copy.middle() == null ? 1 : 2);
                    });
                if (bytes[0] > KEPT_BYTES) {
                  throw new InputException(
                      batches.set().origin(),
                      "its residuals take more than 3 GiB",
                      "Measure fewer images (--limit) or layers (--layers)");
                }
              });
      List<SteeredScene> scenes = new ArrayList<>();
      kept.forEach(
          (point, parts) -> {
            double[] most = Objects.requireNonNull(maxima.get(point));
            scenes.add(new SteeredScene(point, sweep(point, parts), most, skipped));
          });
      return scenes;
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

  /**
   * Memory of some images' residuals at one hook point, kept once for the tower and once in F32.
   */
  long bytes(long images) {
    var config = model.vision().config();
    var input = batches.preprocessing();
    long patches = (long) (input.height() / config.patch()) * (input.width() / config.patch());
    return images * (patches + config.prefixTokens()) * config.width() * 2 * Float.BYTES;
  }

  /** Whether the answers of units at a hook point have a closed form. */
  boolean isClosed(HookPoint point) {
    return readOut(point) != null;
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
