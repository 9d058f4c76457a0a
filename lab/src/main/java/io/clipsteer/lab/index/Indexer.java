// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.tensor.SafeTensors;
import io.clipsteer.data.tensor.StoredTensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.checkpoint.Tokenizer;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.lab.answer.ZeroShot;
import io.clipsteer.lab.block.BlockStages;
import io.clipsteer.lab.run.TokenLayout;
import io.clipsteer.lab.run.Versions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** Builds an index: the pass, the names, the tables. */
public final class Indexer {
  /**
   * A finished index.
   *
   * @param units indexed, dead ones included
   * @param alive active on at least one token
   * @param named with a clear name
   * @param images images read
   * @param labels distinct labels
   * @param labelColumns columns of labels that are ignored
   * @param medianMonosemanticity over units active on two images or more; null when there is none
   * @param skipped images skipped
   * @param seconds in all
   */
  public record IndexSummary(
      int units,
      int alive,
      int named,
      long images,
      int labels,
      List<LabelColumn> labelColumns,
      @Nullable Double medianMonosemanticity,
      List<ImageLoader.Skipped> skipped,
      double seconds) {}

  /** The bare word, as in arXiv 2504.08729, to name features with. */
  public static final List<String> TEMPLATES = List.of("{}");

  private static final int MOST_WORDS = 200_000;

  private final IndexRun run;
  private final @Nullable TextLibrary words;
  private final IndexFolder folder;
  private final Progress progress;

  private Indexer(
      IndexRun run, @Nullable TextLibrary words, IndexFolder folder, Progress progress) {
    this.run = run;
    this.words = words;
    this.folder = folder;
    this.progress = progress;
  }

  /**
   * Indexes.
   *
   * @param words candidates for names, or null for no names
   * @param folder of the tables; an older index of the same units is replaced
   */
  public static IndexSummary run(
      IndexRun run, @Nullable TextLibrary words, IndexFolder folder, Progress progress) {
    return run(run, words, folder, () -> run.pass(folder.path(), progress), progress);
  }

  /** The same where several processes compute the pass's blocks. */
  public static IndexSummary run(
      IndexRun run,
      IndexBlocks blocks,
      BlockStages stages,
      @Nullable TextLibrary words,
      IndexFolder folder,
      Progress progress) {
    return run(run, words, folder, () -> blocks.pass(stages), progress);
  }

  private static IndexSummary run(
      IndexRun run,
      @Nullable TextLibrary words,
      IndexFolder folder,
      Supplier<IndexRun.Pass> passes,
      Progress progress) {
    long start = System.nanoTime();
    folder.checkWritable(run.units());
    if (words != null) ZeroShot.checkFits(run.model(), words);
    try (IndexRun.Pass pass = passes.get()) {
      List<LabelColumn> ignored = LabelColumn.find(pass.labels().all(), pass.known());
      int named = new Indexer(run, words, folder, progress).write(pass, ignored);
      return result(pass, named, ignored, start);
    }
  }

  /**
   * Words to name features with: the whole words of the model's own tokenizer; it must have one.
   */
  public static List<String> ownWords(ClipModel model) {
    Tokenizer tokenizer = model.tokenizer();
    if (tokenizer == null) {
      throw new InputException(
          model.source().path(), "has no tokenizer", "Give --vocabulary or --library");
    }
    return checked(model.source().path(), tokenizer.words());
  }

  /** Words to name features with, of which there must be 2 to 200,000. */
  public static List<String> checked(Object where, List<String> words) {
    if (words.size() < 2 || words.size() > MOST_WORDS) {
      throw new InputException(
          where, words.size() + " words to name with", "Give from 2 to " + MOST_WORDS);
    }
    return words;
  }

  /** Writes everything, and counts the units with a clear name. */
  private int write(IndexRun.Pass pass, List<LabelColumn> ignored) {
    Map<IndexRun.IndexedGroup, List<UnitName>> names = new LinkedHashMap<>();
    List<StoredTensor> stored = new ArrayList<>();
    Namer namer = words == null ? null : namer(words, pass);
    for (int g = 0; g < pass.groups().size(); g++) {
      IndexRun.IndexedGroup group = pass.groups().get(g);
      var mean = Objects.requireNonNull(pass.means().get(group.point()));
      UnitVectors vectors = UnitVectors.of(run.model(), group, mean, progress);
      int e = vectors.width();
      int n = group.tally().units();
      stored.add(StoredTensor.ofFloats(g + ".images", vectors.images(), n, e));
      stored.add(StoredTensor.ofFloats(g + ".decoder", vectors.decoder(), n, e));
      stored.add(StoredTensor.ofFloats(g + ".strength", vectors.strength(), n));
      if (namer != null) names.put(group, namer.names(group.scores(), vectors, progress));
    }
    if (namer != null) {
      double[] wide = namer.centre();
      float[] centre = new float[wide.length];
      for (int j = 0; j < centre.length; j++) centre[j] = (float) wide[j];
      stored.add(StoredTensor.ofFloats("text_centre", centre, centre.length));
    }
    folder.open(run.units());
    SafeTensors.write(folder.vectors(run.units()), stored, Map.of());
    tables(pass, names, ignored);
    folder.finish(run.units(), manifest(pass, ignored));
    int named = 0;
    for (var group : names.entrySet()) {
      for (UnitName name : group.getValue()) {
        boolean byImages = name.method().equals(Namer.IMAGES);
        if (byImages && IndexTables.isClear(group.getKey(), name)) named++;
      }
    }
    return named;
  }

  private Namer namer(TextLibrary words, IndexRun.Pass pass) {
    int e = words.width();
    float[] images = new float[Math.multiplyExact(pass.embeddings().size(), e)];
    for (int i = 0; i < pass.embeddings().size(); i++) {
      System.arraycopy(pass.embeddings().get(i), 0, images, i * e, e);
    }
    double scale = run.model().logitScale();
    return new Namer(words, new ImageWords(words, images, scale), scale);
  }

  private void tables(
      IndexRun.Pass pass,
      Map<IndexRun.IndexedGroup, List<UnitName>> names,
      List<LabelColumn> ignored) {
    try (ParquetTables duck = new ParquetTables(folder.path());
        var task = progress.start("writing tables", 1 + IndexFolder.PARTS.size(), "tables")) {
      IndexTables tables = new IndexTables(duck, run.units());
      List<Runnable> steps =
          List.of(
              () -> tables.images(pass),
              () -> tables.names(pass, names),
              () -> tables.tops(pass),
              () -> tables.labels(pass, ignored),
              () -> tables.units(pass, names));
      for (Runnable step : steps) {
        step.run();
        task.advance(1, 0);
      }
    }
  }

  private IndexFolder.IndexManifest manifest(IndexRun.Pass pass, List<LabelColumn> ignored) {
    List<IndexFolder.IndexGroup> groups = new ArrayList<>();
    for (IndexRun.IndexedGroup group : pass.groups()) {
      TokenLayout layout = group.tally().layout();
      groups.add(
          new IndexFolder.IndexGroup(
              group.name(),
              group.point().peerName(),
              group.selection().name().toLowerCase(Locale.ROOT),
              group.tally().units(),
              layout.rows(),
              layout.columns(),
              layout.prefix()));
    }
    return new IndexFolder.IndexManifest(
        IndexFolder.PROTOCOL,
        Versions.CLIPSTEER,
        run.model().source().path().toAbsolutePath().normalize().toString(),
        run.blocks().images().set().origin().toAbsolutePath().normalize().toString(),
        pass.images().size(),
        pass.skipped().size(),
        run.blocks().images().notes(),
        pass.labels().all().size(),
        ignored,
        meanCosine(pass.embeddings()),
        run.top(),
        words == null ? 0 : words.words().size(),
        groups);
  }

  private static IndexSummary result(
      IndexRun.Pass pass, int named, List<LabelColumn> ignored, long start) {
    int units = 0;
    int alive = 0;
    List<Double> values = new ArrayList<>();
    for (IndexRun.IndexedGroup group : pass.groups()) {
      units += group.tally().units();
      for (int u = 0; u < group.tally().units(); u++) {
        if (group.tally().images(u) > 0) alive++;
        Double value = group.tally().monosemanticity(u);
        if (value != null) values.add(value);
      }
    }
    double[] sorted = values.stream().mapToDouble(Double::doubleValue).sorted().toArray();
    return new IndexSummary(
        units,
        alive,
        named,
        pass.images().size(),
        pass.labels().all().size(),
        ignored,
        sorted.length == 0 ? null : (Double) median(sorted),
        pass.skipped(),
        (System.nanoTime() - start) * 1e-9);
  }

  /** Mean cosine of two images: the monosemanticity of a unit that is as active on all. */
  private static double meanCosine(List<float[]> embeddings) {
    double[] sum = new double[embeddings.getFirst().length];
    double own = 0;
    for (float[] one : embeddings) {
      for (int j = 0; j < sum.length; j++) {
        sum[j] += one[j];
        own += (double) one[j] * one[j];
      }
    }
    double n = embeddings.size();
    double all = Arrays.stream(sum).map(s -> s * s).sum();
    return n > 1 ? (all - own) / (n * (n - 1)) : 1;
  }

  private static double median(double[] sorted) {
    int half = sorted.length / 2;
    return sorted.length % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
  }
}
