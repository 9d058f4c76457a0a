// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.imageset.ImageBatch;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Hooks;
import io.clipsteer.engine.model.Paused;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.SaeEncoder;
import io.clipsteer.lab.run.Images;
import io.clipsteer.lab.run.RunSaes;
import io.clipsteer.lab.run.TokenLayout;
import io.clipsteer.lab.run.TowerWalk;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * One pass over images that measures every unit of a run.
 *
 * @param model the run's
 * @param batches images, each read once
 * @param saes of the run
 * @param units features, or neurons where the SAEs read
 * @param labels of the images
 * @param top images kept per unit and ranking, 0 to 1,000
 */
public record IndexRun(
    ClipModel model, Images batches, RunSaes saes, IndexedUnits units, Labels labels, int top) {

  /** Refuses a top out of range. */
  public IndexRun {
    if (top < 0 || top > 1000) {
      throw new InputException("--top " + top, "not from 0 to 1000", "Try 16");
    }
  }

  /**
   * The features of one SAE, or the neurons of one hook point.
   *
   * @param name the SAE's folder, or the hook point and tokens of neurons
   * @param sae null for neurons
   * @param encoder the SAE's; null for neurons
   */
  record IndexedGroup(
      String name,
      HookPoint point,
      TokenSelection selection,
      @Nullable Sae sae,
      @Nullable SaeEncoder encoder,
      UnitTally tally,
      ScoreFile scores)
      implements AutoCloseable {
    @Override
    public void close() {
      if (encoder != null) encoder.close();
      scores.close();
    }
  }

  /**
   * The results of a pass; closing it deletes its score files.
   *
   * @param images ids, by number
   * @param classes of the images, as the set itself labels them
   * @param embeddings of the images, of unit length
   * @param known the labelled images
   * @param means by hook point
   */
  record Pass(
      List<IndexedGroup> groups,
      List<String> images,
      List<@Nullable String> classes,
      List<float[]> embeddings,
      Association.ImageLabels known,
      Labels labels,
      Map<HookPoint, MeanResidual> means,
      List<ImageLoader.Skipped> skipped)
      implements AutoCloseable {
    /** No image yet. */
    Pass(List<IndexedGroup> groups, Labels labels) {
      this(
          groups,
          new ArrayList<>(),
          new ArrayList<>(),
          new ArrayList<>(),
          new Association.ImageLabels(),
          labels,
          new LinkedHashMap<>(),
          new ArrayList<>());
    }

    @Override
    public void close() {
      for (IndexedGroup group : groups) group.close();
    }
  }

  /**
   * Runs the pass.
   *
   * @param scratch folder for scores during the pass
   * @throws InputException when no image can be read
   */
  Pass pass(Path scratch, Progress progress) {
    List<IndexedGroup> groups = new ArrayList<>();
    try {
      groups(scratch, groups);
      return pass(groups, progress);
    } catch (RuntimeException e) {
      for (IndexedGroup group : groups) group.close();
      throw e;
    }
  }

  private void groups(Path scratch, List<IndexedGroup> groups) {
    Set<String> seen = new LinkedHashSet<>();
    for (RunSaes.One one : saes.all()) {
      boolean features = units == IndexedUnits.FEATURES;
      String site = one.entry().hookPoint() + "." + one.entry().tokens();
      if (!features && !seen.add(site)) continue;
      var layout =
          TokenLayout.of(
              model.vision().config(),
              one.selection(),
              batches.preprocessing().height(),
              batches.preprocessing().width());
      if (layout.patches() > Short.MAX_VALUE) {
        throw new InputException(
            model.source().path(), layout.patches() + " patches an image", "Index smaller ones");
      }
      int count = features ? one.sae().features() : 2 * one.sae().width();
      groups.add(
          new IndexedGroup(
              features ? one.entry().folder() : site,
              one.point(),
              one.selection(),
              features ? one.sae() : null,
              features ? new SaeEncoder(one.sae()) : null,
              new UnitTally(layout, count, model.vision().config().embedDim(), top),
              new ScoreFile(scratch, count)));
    }
  }

  private Pass pass(List<IndexedGroup> groups, Progress progress) {
    Pass pass = new Pass(groups, labels);
    double flops = model.vision().flopsPerImage();
    for (IndexedGroup g : groups) {
      pass.means.putIfAbsent(g.point, new MeanResidual(g.point));
      if (g.sae != null) flops += 2.0 * g.sae.width() * g.sae.features() * g.tally.layout().count();
    }
    TowerWalk walk = TowerWalk.past(model.vision(), pass.means.keySet());
    pass.skipped.addAll(
        batches.forEach(
            "indexing",
            flops,
            progress,
            (batch, pixels) -> {
              add(pass, walk, batch, pixels);
              pass.images.addAll(batch.ids());
              pass.classes.addAll(batch.labels());
            }));
    return pass;
  }

  private void add(Pass pass, TowerWalk walk, ImageBatch batch, Tensor pixels) {
    Map<IndexedGroup, Codes> codes = new LinkedHashMap<>();
    Paused last =
        walk.walk(
            pixels,
            paused -> {
              Objects.requireNonNull(pass.means.get(paused.at())).add(paused);
              for (IndexedGroup group : pass.groups) {
                if (group.point.equals(paused.at())) codes.put(group, codes(group, walk, paused));
              }
            });
    float[] embeddings = model.vision().continueFrom(last, Hooks.NONE).embedding().toFloats();
    int e = embeddings.length / batch.count();
    int first = pass.images.size();
    for (int i = 0; i < batch.count(); i++) {
      double[] unit = unit(embeddings, i * e, e, batch.ids().get(i));
      float[] narrow = new float[e];
      for (int j = 0; j < e; j++) narrow[j] = (float) unit[j];
      pass.embeddings.add(narrow);
      int[] of = labels.of(batch.ids().get(i), batch.labels().get(i));
      if (of != null) pass.known.add(first + i, of);
      for (var group : codes.entrySet()) {
        UnitTally tally = group.getKey().tally;
        int row = i * tally.layout().count();
        tally.add(first + i, unit, group.getValue(), row, group.getKey().scores);
      }
    }
  }

  private static Codes codes(IndexedGroup group, TowerWalk walk, Paused paused) {
    try (Scope scope = Scope.open()) {
      Tensor x = walk.selected(group.selection, paused);
      return group.encoder == null
          ? Codes.ofNeurons(x.toFloats(), (int) x.size(1))
          : Codes.of(group.encoder.encode(x));
    }
  }

  /** A row at unit length to double precision: floats have it to 1e-7 only. */
  public static double[] unit(float[] rows, int at, int width, String image) {
    double square = 0;
    for (int j = 0; j < width; j++) square += (double) rows[at + j] * rows[at + j];
    double norm = Math.sqrt(square);
    if (!(norm > 0) || Double.isInfinite(norm)) {
      throw new InputException(
          image, "its embedding has length " + norm, "Check the image and the weights");
    }
    double[] unit = new double[width];
    for (int j = 0; j < width; j++) unit[j] = rows[at + j] / norm;
    return unit;
  }
}
