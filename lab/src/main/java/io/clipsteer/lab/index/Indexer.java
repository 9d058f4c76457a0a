// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

import io.clipsteer.data.Progress;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.tensor.SafeTensors;
import io.clipsteer.data.tensor.StoredTensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.lab.answer.ZeroShot;
import io.clipsteer.lab.run.Versions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** Makes an index: the pass, the names, the tables. */
public final class Indexer {
  /**
   * What came out.
   *
   * @param units indexed, dead ones included
   * @param alive active on at least one token
   * @param images images read
   * @param labels distinct labels
   * @param medianMonosemanticity over units active on two images or more; null when there is none
   * @param skipped images left out
   * @param seconds for everything
   */
  public record Result(
      int units,
      int alive,
      long images,
      int labels,
      @Nullable Double medianMonosemanticity,
      List<ImageLoader.Skipped> skipped,
      double seconds) {}

  private Indexer() {}

  /**
   * Indexes.
   *
   * @param words candidates for names, or null to do without
   * @param folder where the tables go; an older index of the same units is replaced
   */
  public static Result run(
      IndexRun run, @Nullable TextLibrary words, IndexFolder folder, Progress progress) {
    long start = System.nanoTime();
    IndexedUnits units = run.units();
    folder.checkWritable(units);
    ClipModel model = run.model();
    if (words != null) ZeroShot.checkFits(model, words);
    try (IndexRun.Pass pass = run.pass(folder.path(), progress)) {
      Map<IndexRun.Group, List<Name>> names = new LinkedHashMap<>();
      Map<IndexRun.Group, List<@Nullable Name>> best = new LinkedHashMap<>();
      List<StoredTensor> stored = new ArrayList<>();
      Namer namer = words == null ? null : Namer.of(words);
      for (int g = 0; g < pass.groups().size(); g++) {
        IndexRun.Group group = pass.groups().get(g);
        var mean = Objects.requireNonNull(pass.means().get(group.point()));
        UnitVectors vectors = UnitVectors.of(model, group, mean, progress);
        int e = vectors.width();
        int n = group.tally().units();
        stored.add(StoredTensor.ofFloats(g + ".images", vectors.images(), n, e));
        stored.add(StoredTensor.ofFloats(g + ".decoder", vectors.decoder(), n, e));
        stored.add(StoredTensor.ofFloats(g + ".strength", vectors.strength(), n));
        if (namer == null) continue;
        List<Name> all = namer.names(vectors, progress);
        names.put(group, all);
        best.put(group, best(all, n));
      }
      if (namer != null) {
        float[] centre = new float[namer.centre().length];
        for (int j = 0; j < centre.length; j++) centre[j] = (float) namer.centre()[j];
        stored.add(StoredTensor.ofFloats("text_centre", centre, centre.length));
      }
      write(run, pass, names, best, stored, folder, words, progress);
      return result(pass, start);
    }
  }

  private static void write(
      IndexRun run,
      IndexRun.Pass pass,
      Map<IndexRun.Group, List<Name>> names,
      Map<IndexRun.Group, List<@Nullable Name>> best,
      List<StoredTensor> stored,
      IndexFolder folder,
      @Nullable TextLibrary words,
      Progress progress) {
    IndexedUnits units = run.units();
    folder.open(units);
    SafeTensors.write(folder.vectors(units), stored, Map.of());
    try (DuckTables duck = new DuckTables(folder.path());
        var task = progress.start("writing tables", 1 + IndexFolder.PARTS.size(), "tables")) {
      IndexTables tables = new IndexTables(duck, units);
      List<Runnable> steps =
          List.of(
              () -> tables.images(pass),
              () -> tables.names(names),
              () -> tables.tops(pass),
              () -> tables.labels(pass),
              () -> tables.units(pass, best));
      for (Runnable step : steps) {
        step.run();
        task.advance(1, 0);
      }
    }
    List<IndexFolder.Entry> groups = new ArrayList<>();
    for (IndexRun.Group group : pass.groups()) {
      TokenLayout layout = group.tally().layout();
      groups.add(
          new IndexFolder.Entry(
              group.name(),
              group.point().peerName(),
              group.selection().name().toLowerCase(Locale.ROOT),
              group.tally().units(),
              layout.rows(),
              layout.columns(),
              layout.prefix()));
    }
    folder.finish(
        units,
        new IndexFolder.Manifest(
            IndexFolder.PROTOCOL,
            Versions.CLIPSTEER,
            run.model().source().path().toAbsolutePath().normalize().toString(),
            run.batches().set().origin().toAbsolutePath().normalize().toString(),
            pass.images().size(),
            pass.labels().size(),
            run.top(),
            words == null ? 0 : words.words().size(),
            groups));
  }

  /** Each unit's first word by both ways, else by its images; null without either. */
  private static List<@Nullable Name> best(List<Name> all, int units) {
    @Nullable Name[] best = new Name[units];
    for (Name name : all) {
      if (name.rank() != 1) continue;
      boolean both = name.method().equals(Namer.BOTH);
      if (both || name.method().equals(Namer.IMAGES)) best[name.unit()] = name;
    }
    return Arrays.asList(best);
  }

  private static Result result(IndexRun.Pass pass, long start) {
    int units = 0;
    int alive = 0;
    List<Double> values = new ArrayList<>();
    for (IndexRun.Group group : pass.groups()) {
      units += group.tally().units();
      for (int u = 0; u < group.tally().units(); u++) {
        if (group.tally().images(u) > 0) alive++;
        Double value = group.tally().monosemanticity(u);
        if (value != null) values.add(value);
      }
    }
    double[] sorted = values.stream().mapToDouble(Double::doubleValue).sorted().toArray();
    return new Result(
        units,
        alive,
        pass.images().size(),
        pass.labels().size(),
        sorted.length == 0 ? null : (Double) median(sorted),
        pass.skipped(),
        (System.nanoTime() - start) * 1e-9);
  }

  private static double median(double[] sorted) {
    int half = sorted.length / 2;
    return sorted.length % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
  }
}
