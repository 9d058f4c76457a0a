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
import io.clipsteer.lab.block.WorkPlan;
import io.clipsteer.lab.run.ImageBlocks;
import io.clipsteer.lab.run.RunSaes;
import io.clipsteer.lab.run.StatePort;
import io.clipsteer.lab.run.TokenLayout;
import io.clipsteer.lab.run.TowerRate;
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
 * @param blocks images, each read once; sums are those of blocks, added in their order
 * @param saes of the run
 * @param units features, or neurons where the SAEs read
 * @param labels of the images
 * @param top images kept per unit and ranking, 0 to 1,000
 */
public record IndexRun(
    ClipModel model, ImageBlocks blocks, RunSaes saes, IndexedUnits units, Labels labels, int top) {

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
   * @param encoder the SAE's; null for neurons, and where nothing is encoded
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
    /** The same with the results of a block. */
    private IndexedGroup with(UnitTally block, ScoreFile own) {
      return new IndexedGroup(name, point, selection, sae, encoder, block, own);
    }

    @Override
    public void close() {
      if (encoder != null) encoder.close();
      scores.close();
    }
  }

  /**
   * The results of a pass, or of a block of it; closing it deletes its score files.
   *
   * @param images ids, by number
   * @param classes of the images, as the set itself labels them
   * @param embeddings of the images, of unit length
   * @param known the labelled images; not of a block
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
      for (IndexedGroup group : groups) {
        means.putIfAbsent(group.point, new MeanResidual(group.point));
      }
    }

    /** Adds the images of the next block, which has the same groups, and closes it. */
    void add(Pass block) {
      int first = images.size();
      for (int g = 0; g < groups.size(); g++) {
        groups.get(g).tally.add(block.groups.get(g).tally);
        groups.get(g).scores.add(block.groups.get(g).scores, first);
      }
      means.forEach((point, mean) -> mean.add(Objects.requireNonNull(block.means.get(point))));
      for (int i = 0; i < block.images.size(); i++) {
        int[] of = labels.of(block.images.get(i), block.classes.get(i));
        if (of != null) known.add(first + i, of);
      }
      images.addAll(block.images);
      classes.addAll(block.classes);
      embeddings.addAll(block.embeddings);
      skipped.addAll(block.skipped);
      block.closeScores();
    }

    /** Of a block, whose encoders are the pass's. */
    void closeScores() {
      for (IndexedGroup group : groups) group.scores.close();
    }

    /** Moves a block to a stream, or from it into a block without an image. */
    void move(StatePort port, int width) {
      for (IndexedGroup group : groups) {
        group.tally.move(port);
        group.scores.move(port);
      }
      for (MeanResidual mean : means.values()) mean.move(port);
      int count = port.length(images.size(), Integer.MAX_VALUE);
      for (int i = 0; i < count; i++) {
        boolean writes = !port.isReading();
        String image = port.text(writes ? images.get(i) : "");
        String label = writes ? classes.get(i) : null;
        boolean labelled = port.number(label == null ? 0L : 1L) == 1;
        String moved = labelled ? port.text(label == null ? "" : label) : null;
        float[] embedding = writes ? embeddings.get(i) : new float[width];
        port.floats(embedding);
        if (writes) continue;
        images.add(image);
        classes.add(moved);
        embeddings.add(embedding);
      }
      List<ImageLoader.Skipped> all = ImageBlocks.move(port, skipped);
      if (port.isReading()) skipped.addAll(all);
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
    Pass pass = open(scratch, true);
    List<Pass> unfinished = new ArrayList<>();
    try {
      pass.skipped.addAll(
          blocks.forEach(
              "indexing",
              flops(),
              progress,
              () -> {
                Pass block = block(pass, scratch);
                unfinished.add(block);
                return block;
              },
              this::add,
              block -> {
                pass.add(block);
                unfinished.remove(block);
              }));
      return pass;
    } catch (RuntimeException e) {
      unfinished.forEach(Pass::closeScores);
      pass.close();
      throw e;
    }
  }

  /**
   * A pass without an image.
   *
   * @param encodes whether images will be added, and not only blocks
   */
  Pass open(Path scratch, boolean encodes) {
    List<IndexedGroup> groups = new ArrayList<>();
    try {
      groups(scratch, groups, encodes);
      return new Pass(groups, labels);
    } catch (RuntimeException e) {
      for (IndexedGroup group : groups) group.close();
      throw e;
    }
  }

  /** A block of a pass, without an image. */
  Pass block(Pass pass, Path scratch) {
    List<IndexedGroup> groups = new ArrayList<>();
    for (IndexedGroup group : pass.groups) {
      int units = group.tally.units();
      groups.add(group.with(tally(group.tally.layout(), units), new ScoreFile(scratch, units)));
    }
    return new Pass(groups, labels);
  }

  private UnitTally tally(TokenLayout layout, int units) {
    return new UnitTally(layout, units, model.vision().config().embedDim(), top);
  }

  private void groups(Path scratch, List<IndexedGroup> groups, boolean encodes) {
    Set<String> seen = new LinkedHashSet<>();
    for (RunSaes.One one : saes.all()) {
      boolean features = units == IndexedUnits.FEATURES;
      String site = one.entry().hookPoint() + "." + one.entry().tokens();
      if (!features && !seen.add(site)) continue;
      var pixels = blocks.images().preprocessing();
      var layout =
          TokenLayout.of(model.vision().config(), one.selection(), pixels.height(), pixels.width());
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
              features && encodes ? new SaeEncoder(one.sae()) : null,
              tally(layout, count),
              new ScoreFile(scratch, count)));
    }
  }

  /** Of the tower and the encoders for one image. */
  private double flops() {
    double flops = model.vision().flopsPerImage();
    if (units != IndexedUnits.FEATURES) return flops;
    for (RunSaes.One one : saes.all()) {
      flops += 2.0 * one.sae().width() * one.sae().features() * layout(one).count();
    }
    return flops;
  }

  private TokenLayout layout(RunSaes.One one) {
    var pixels = blocks.images().preprocessing();
    return TokenLayout.of(
        model.vision().config(), one.selection(), pixels.height(), pixels.width());
  }

  /** What the index costs on a cluster; rates are measured on a batch. */
  public WorkPlan plan() {
    TowerRate rate = TowerRate.measure(model, blocks.images());
    long count = blocks.images().count();
    double moved = 0;
    for (RunSaes.One one : saes.all()) {
      int each = units == IndexedUnits.FEATURES ? one.sae().features() : 2 * one.sae().width();
      moved += each * model.vision().flopsAfter(one.point().layer());
    }
    return new WorkPlan(
        List.of(
            new WorkPlan.PlannedStage(
                "indexing",
                true,
                blocks.count(),
                rate.bytes(count),
                null,
                flops() * count,
                rate.seconds(count, flops()),
                0),
            WorkPlan.PlannedStage.driver(
                "propagating directions", 0, moved, moved / rate.flopsPerSecond())),
        rate.residentBytes(),
        List.of(
            "encoders at the tower's rate; every unit alive; the names and tables that the driver"
                + " writes are not in the plan"));
  }

  /** Adds a batch's images to a block. */
  void add(Pass block, ImageBatch batch, Tensor pixels) {
    TowerWalk walk = TowerWalk.past(model.vision(), block.means.keySet());
    Map<IndexedGroup, Codes> codes = new LinkedHashMap<>();
    Paused last =
        walk.walk(
            pixels,
            paused -> {
              Objects.requireNonNull(block.means.get(paused.at())).add(paused);
              for (IndexedGroup group : block.groups) {
                if (group.point.equals(paused.at())) codes.put(group, codes(group, walk, paused));
              }
            });
    float[] embeddings = model.vision().continueFrom(last, Hooks.NONE).embedding().toFloats();
    int e = embeddings.length / batch.count();
    int first = block.images.size();
    for (int i = 0; i < batch.count(); i++) {
      double[] unit = unit(embeddings, i * e, e, batch.ids().get(i));
      float[] narrow = new float[e];
      for (int j = 0; j < e; j++) narrow[j] = (float) unit[j];
      block.embeddings.add(narrow);
      for (var group : codes.entrySet()) {
        UnitTally tally = group.getKey().tally;
        int row = i * tally.layout().count();
        tally.add(first + i, unit, group.getValue(), row, group.getKey().scores);
      }
    }
    block.images.addAll(batch.ids());
    block.classes.addAll(batch.labels());
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
