// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.compare;

import com.fasterxml.jackson.annotation.JsonIgnore;
import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.annotation.JsonPropertyOrder;
import com.fasterxml.jackson.annotation.JsonUnwrapped;
import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.stats.Share;
import io.clipsteer.lab.index.ParquetTables;
import io.clipsteer.lab.run.JsonReport;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * The similarity of two runs' SAEs. docs/metrics.md defines each number.
 *
 * @param images images read; 0 without
 * @param skipped images that could not be read
 * @param sameModel whether directions can be compared
 * @param settings thresholds
 * @param pairs of SAEs, each by one or two methods
 * @param drifts all SAEs against all, where there are several
 */
@JsonPropertyOrder({
  "protocol",
  "clipsteer",
  "images",
  "skipped",
  "same_model",
  "settings",
  "pairs",
  "drift"
})
public record Comparison(
    int images,
    List<ImageLoader.Skipped> skipped,
    boolean sameModel,
    @JsonUnwrapped CompareSettings settings,
    @JsonIgnore List<Pair> pairs,
    @JsonProperty("drift") List<Drift> drifts)
    implements JsonReport {
  private static final String REPORT = "compare.json";
  private static final int EXAMPLES = 10;

  /**
   * Two SAEs.
   *
   * @param method {@code decoder} or {@code activation}
   * @param a the SAE's folder in its run
   * @param b the other's
   * @param idsA features compared; the matching's rows
   * @param idsB the same of B
   * @param activeA images on which each feature of A is active; null without images
   * @param activeB the same of B
   * @param chance nearest of A's features in B with shuffled columns
   */
  @SuppressWarnings("ArrayRecordComponent") // as in Matching
  public record Pair(
      String method,
      String a,
      String b,
      int[] idsA,
      int[] idsB,
      int @Nullable [] activeA,
      int @Nullable [] activeB,
      Matching matching,
      Matching.Nearest chance) {
    /** Share of A's (or B's) features that are shared, with Wilson's interval. */
    public Share overlap(boolean ofA, double threshold) {
      return Share.of(matching.pairs(threshold), (ofA ? idsA : idsB).length);
    }

    private Matching.Nearest nearest(boolean ofA) {
      return ofA ? matching.a() : matching.b();
    }

    /** Number of features without a similar one on the other side. */
    public int only(boolean ofA, double threshold) {
      int count = 0;
      for (float v : nearest(ofA).value()) if (v < threshold) count++;
      return count;
    }
  }

  /**
   * SAEs against SAEs.
   *
   * @param values mean over A's features of the nearest of B's, [a][b]
   */
  @SuppressWarnings("ArrayRecordComponent")
  public record Drift(String method, List<String> a, List<String> b, double[][] values) {}

  /**
   * What was compared.
   *
   * @param source of the images; null without
   */
  public record Runs(
      String runA,
      String runB,
      String modelA,
      String modelB,
      @JsonInclude(JsonInclude.Include.NON_NULL) @Nullable String source) {}

  /** What {@code compare.json} holds: a record. */
  public Object json(Runs runs) {
    record Json(@JsonUnwrapped Runs runs, @JsonUnwrapped Comparison comparison) {}
    return new Json(runs, this);
  }

  @JsonProperty("pairs")
  List<PairJson> pairsJson() {
    return pairs.stream().map(this::json).toList();
  }

  record PairJson(
      String method,
      String a,
      String b,
      int nA,
      int nB,
      String matching,
      int matched,
      Share overlapA,
      Share overlapB,
      double meanNearestA,
      double meanNearestB,
      int onlyA,
      int onlyB,
      double chanceMeanNearest,
      @Nullable Share chanceNearestShare,
      @JsonProperty("only_a_examples") List<Example> onlyAExamples,
      @JsonProperty("only_b_examples") List<Example> onlyBExamples) {}

  record Example(int id, float nearest, @Nullable Integer images) {}

  private PairJson json(Pair pair) {
    double threshold = settings.threshold();
    Matching matching = pair.matching;
    return new PairJson(
        pair.method,
        pair.a,
        pair.b,
        pair.idsA.length,
        pair.idsB.length,
        matching.optimal() ? "assignment" : "mutual nearest",
        matching.pairs(threshold),
        pair.overlap(true, threshold),
        pair.overlap(false, threshold),
        matching.a().mean(),
        matching.b().mean(),
        pair.only(true, threshold),
        pair.only(false, threshold),
        pair.chance.mean(),
        pair.chance.share(threshold),
        examples(pair, true),
        examples(pair, false));
  }

  /** Of the features that one side alone has, those on most images; else the least similar. */
  private List<Example> examples(Pair pair, boolean ofA) {
    float[] nearest = pair.nearest(ofA).value();
    int[] ids = ofA ? pair.idsA : pair.idsB;
    int[] active = ofA ? pair.activeA : pair.activeB;
    Comparator<Integer> byActive =
        Comparator.comparingInt(i -> active == null ? 0 : -active[ids[i]]);
    return IntStream.range(0, nearest.length)
        .filter(i -> nearest[i] < settings.threshold())
        .boxed()
        .sorted(byActive.thenComparingDouble(i -> nearest[i]).thenComparingInt(i -> i))
        .limit(EXAMPLES)
        .map(i -> new Example(ids[i], nearest[i], active == null ? null : active[ids[i]]))
        .toList();
  }

  /** Writes {@code features.parquet}, then {@code compare.json}, into a folder that is open. */
  public void write(Path folder, Runs runs) {
    List<List<@Nullable Object>> rows = new ArrayList<>();
    for (Pair pair : pairs) {
      add(rows, pair, true);
      add(rows, pair, false);
    }
    ParquetTables.write(
        folder,
        "features",
        """
        method VARCHAR, side VARCHAR, sae VARCHAR, other VARCHAR, id INTEGER, images INTEGER,
        status VARCHAR, partner INTEGER, partner_value FLOAT, nearest INTEGER, nearest_value FLOAT\
        """,
        rows);
    AtomicFiles.writeJson(folder.resolve(REPORT), json(runs));
  }

  private void add(List<List<@Nullable Object>> rows, Pair pair, boolean ofA) {
    int[] ids = ofA ? pair.idsA : pair.idsB;
    int[] others = ofA ? pair.idsB : pair.idsA;
    int[] active = ofA ? pair.activeA : pair.activeB;
    int[] partner = ofA ? pair.matching.partner() : pair.matching.partnersOfB();
    Matching.Nearest nearest = pair.nearest(ofA);
    for (int i = 0; i < ids.length; i++) {
      boolean has = partner[i] >= 0;
      float value = has ? pair.matching.value()[ofA ? i : partner[i]] : 0;
      boolean shared = has && value >= settings.threshold();
      boolean lonely = nearest.value()[i] < settings.threshold();
      List<@Nullable Object> row = new ArrayList<>();
      row.add(pair.method);
      row.add(ofA ? "a" : "b");
      row.add(ofA ? pair.a : pair.b);
      row.add(ofA ? pair.b : pair.a);
      row.add(ids[i]);
      row.add(active == null ? null : (Integer) active[ids[i]]);
      row.add(shared ? "shared" : lonely ? "only" : "taken");
      row.add(has ? (Integer) others[partner[i]] : null);
      row.add(has ? (Float) value : null);
      row.add(others[nearest.row()[i]]);
      row.add(nearest.value()[i]);
      rows.add(row);
    }
  }
}
