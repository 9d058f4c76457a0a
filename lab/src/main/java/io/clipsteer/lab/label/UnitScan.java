// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.label;

import io.clipsteer.data.Progress;
import io.clipsteer.data.imageset.ImageBatch;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Paused;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.model.VisionTower;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.lab.index.Codes;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.TowerWalk;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Activations of some units on images, in one pass. */
final class UnitScan {
  /** Units of one hook point and kind. */
  sealed interface ScannedSite {
    HookPoint point();

    TokenSelection tokens();

    /** Units that are wanted. */
    int[] numbers();

    /**
     * Activations, row-major [n, numbers], 0 where a unit is not active.
     *
     * @param x F32 [n,d]
     */
    float[] activations(Tensor x);
  }

  /** Features of an SAE. */
  record OfFeatures(HookPoint point, TokenSelection tokens, Sae sae, int[] numbers)
      implements ScannedSite {
    @Override
    public float[] activations(Tensor x) {
      int[] column = new int[sae.features()];
      for (int k = 0; k < numbers.length; k++) column[numbers[k]] = k + 1;
      Codes codes = Codes.of(sae.encode(x).code());
      int n = codes.starts().length - 1;
      float[] out = new float[n * numbers.length];
      for (int i = 0; i < n; i++) {
        for (int e = codes.starts()[i]; e < codes.starts()[i + 1]; e++) {
          int at = column[codes.units()[e]] - 1;
          if (at >= 0) out[i * numbers.length + at] = Math.max(0, codes.values()[e]);
        }
      }
      return out;
    }
  }

  /** Coordinates of the residual, both signs as in the index: j and d + j. */
  record OfNeurons(HookPoint point, TokenSelection tokens, int[] numbers) implements ScannedSite {
    @Override
    public float[] activations(Tensor x) {
      int d = (int) x.size(1);
      float[] values = x.toFloats();
      int n = values.length / d;
      float[] out = new float[n * numbers.length];
      for (int i = 0; i < n; i++) {
        for (int k = 0; k < numbers.length; k++) {
          float v = values[i * d + numbers[k] % d];
          out[i * numbers.length + k] = Math.max(0, numbers[k] < d ? v : -v);
        }
      }
      return out;
    }
  }

  /**
   * Directions of the residual.
   *
   * @param directions [numbers, d]
   */
  record OfDirections(HookPoint point, TokenSelection tokens, float[][] directions, int[] numbers)
      implements ScannedSite {
    @Override
    public float[] activations(Tensor x) {
      int d = (int) x.size(1);
      float[] values = x.toFloats();
      int n = values.length / d;
      float[] out = new float[n * directions.length];
      for (int i = 0; i < n; i++) {
        for (int k = 0; k < directions.length; k++) {
          double dot = 0;
          for (int j = 0; j < d; j++) dot += (double) values[i * d + j] * directions[k][j];
          out[i * directions.length + k] = (float) Math.max(0, dot);
        }
      }
      return out;
    }
  }

  /**
   * Activations of a site's units on an image.
   *
   * @param maxima over the tokens [numbers]
   * @param patches row-major [numbers, patches]
   */
  record UnitActivations(float[] maxima, float[] patches) {}

  /**
   * What a pass gives, by image in the set's order.
   *
   * @param bySite by the number of the site, then by image
   */
  record Scanned(
      List<String> ids, List<@Nullable String> classes, List<List<UnitActivations>> bySite) {}

  private UnitScan() {}

  /**
   * Reads images.
   *
   * @param withPatches whether activations of patches are kept
   */
  static Scanned run(
      VisionTower tower,
      Images images,
      List<ScannedSite> sites,
      boolean withPatches,
      Progress progress) {
    Scanned scanned = new Scanned(new ArrayList<>(), new ArrayList<>(), new ArrayList<>());
    for (int s = 0; s < sites.size(); s++) scanned.bySite.add(new ArrayList<>());
    TowerWalk walk = TowerWalk.past(tower, sites.stream().map(ScannedSite::point).toList());
    images.forEach(
        "activations of " + (withPatches ? "patches" : "images"),
        walk.flopsPerImage(),
        progress,
        (batch, pixels) -> {
          walk.walk(
                  pixels,
                  paused -> {
                    for (int s = 0; s < sites.size(); s++) {
                      if (!sites.get(s).point().equals(paused.at())) continue;
                      List<UnitActivations> own = scanned.bySite.get(s);
                      add(own, sites.get(s), walk, paused, batch, withPatches);
                    }
                  })
              .close();
          scanned.ids.addAll(batch.ids());
          scanned.classes.addAll(batch.labels());
        });
    return scanned;
  }

  private static void add(
      List<UnitActivations> own,
      ScannedSite site,
      TowerWalk walk,
      Paused paused,
      ImageBatch batch,
      boolean withPatches) {
    int units = site.numbers().length;
    float[] all;
    try (Scope scope = Scope.open()) {
      all = site.activations(walk.selected(site.tokens(), paused));
    }
    int tokens = all.length / units / batch.count();
    int prefix = site.tokens() == TokenSelection.ALL ? walk.tower().config().prefixTokens() : 0;
    int patches = tokens - prefix;
    for (int i = 0; i < batch.count(); i++) {
      float[] maxima = new float[units];
      float[] kept = new float[withPatches ? units * patches : 0];
      for (int t = 0; t < tokens; t++) {
        for (int u = 0; u < units; u++) {
          float value = all[(i * tokens + t) * units + u];
          maxima[u] = Math.max(maxima[u], value);
          if (withPatches && t >= prefix) kept[u * patches + t - prefix] = value;
        }
      }
      own.add(new UnitActivations(maxima, kept));
    }
  }
}
