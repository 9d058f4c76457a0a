// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.compare;

import io.clipsteer.data.folder.AtomicFiles;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.data.stats.Share;
import io.clipsteer.lab.index.ParquetTable;
import io.clipsteer.lab.run.Versions;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * What two runs have in common. docs/metrics.md defines each number.
 *
 * @param images images read; 0 without
 * @param skipped images that could not be read
 * @param sameModel whether directions could be compared
 * @param options what counted
 * @param pairs of SAEs, each by one or two methods
 * @param drifts all SAEs against all, where there are several
 */
public record Comparison(
    int images,
    List<ImageLoader.Skipped> skipped,
    boolean sameModel,
    CompareRun.Options options,
    List<Pair> pairs,
    List<Drift> drifts) {
  private static final int PROTOCOL = 1;
  private static final String REPORT = "compare.json";
  private static final int EXAMPLES = 10;

  /**
   * Two SAEs.
   *
   * @param method {@code decoder} or {@code activation}
   * @param a the SAE's folder in its run
   * @param b the other's
   * @param idsA features that took part; the matching counts in them
   * @param idsB the same of B
   * @param activeAn images on which each feature of A is active; null without images
   * @param activeB the same of B
   * @param chance nearest of A's features in a B whose columns were shuffled
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
    /** Share of A's (or B's) features in a pair that counts, with Wilson's interval. */
    public Share overlap(boolean ofA, double threshold) {
      return Share.of(matching.pairs(threshold), (ofA ? idsA : idsB).length);
    }

    private Matching.Nearest nearest(boolean ofA) {
      return ofA ? matching.a() : matching.b();
    }

    /** Features without any like them on the other side. */
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

  /** As {@code compare.json} holds it. */
  public Map<String, Object> json() {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("protocol", PROTOCOL);
    json.put("clipsteer", Versions.CLIPSTEER);
    json.put("images", images);
    json.put("skipped", skipped.size());
    json.put("same_model", sameModel);
    json.put("threshold", options.threshold());
    json.put("assign_up_to", options.most());
    json.put("min_images", options.minImages());
    json.put("seed", options.seed());
    json.put("pairs", pairs.stream().map(this::json).toList());
    json.put("drift", drifts);
    return json;
  }

  private Map<String, @Nullable Object> json(Pair pair) {
    double threshold = options.threshold();
    Matching matching = pair.matching;
    Map<String, @Nullable Object> json = new LinkedHashMap<>();
    json.put("method", pair.method);
    json.put("a", pair.a);
    json.put("b", pair.b);
    json.put("n_a", pair.idsA.length);
    json.put("n_b", pair.idsB.length);
    json.put("matching", matching.optimal() ? "assignment" : "mutual nearest");
    json.put("matched", matching.pairs(threshold));
    json.put("overlap_a", pair.overlap(true, threshold));
    json.put("overlap_b", pair.overlap(false, threshold));
    json.put("mean_nearest_a", matching.a().mean());
    json.put("mean_nearest_b", matching.b().mean());
    json.put("only_a", pair.only(true, threshold));
    json.put("only_b", pair.only(false, threshold));
    json.put("chance_mean_nearest", pair.chance.mean());
    json.put("chance_nearest_share", pair.chance.share(threshold));
    json.put("only_a_examples", examples(pair, true));
    json.put("only_b_examples", examples(pair, false));
    return json;
  }

  /** Of the features that one side alone has, those on most images; else the loneliest. */
  private List<Map<String, @Nullable Object>> examples(Pair pair, boolean ofA) {
    float[] nearest = pair.nearest(ofA).value();
    int[] ids = ofA ? pair.idsA : pair.idsB;
    int[] active = ofA ? pair.activeA : pair.activeB;
    Comparator<Integer> byActive =
        Comparator.comparingInt(i -> active == null ? 0 : -active[ids[i]]);
    List<Map<String, @Nullable Object>> examples = new ArrayList<>();
    IntStream.range(0, nearest.length)
        .filter(i -> nearest[i] < options.threshold())
        .boxed()
        .sorted(byActive.thenComparingDouble(i -> nearest[i]).thenComparingInt(i -> i))
        .limit(EXAMPLES)
        .forEach(
            i -> {
              Map<String, @Nullable Object> one = new LinkedHashMap<>();
              one.put("id", ids[i]);
              one.put("nearest", nearest[i]);
              one.put("images", active == null ? null : (Integer) active[ids[i]]);
              examples.add(one);
            });
    return examples;
  }

  /**
   * Writes {@code features.parquet}, then {@code compare.json}.
   *
   * @param folder which one run alone writes
   * @param about what the json begins with
   */
  public void write(Path folder, Map<String, Object> about) {
    List<List<@Nullable Object>> rows = new ArrayList<>();
    for (Pair pair : pairs) {
      add(rows, pair, true);
      add(rows, pair, false);
    }
    ParquetTable.write(
        folder,
        "features",
        """
        method VARCHAR, side VARCHAR, sae VARCHAR, other VARCHAR, id INTEGER, images INTEGER,
        status VARCHAR, partner INTEGER, partner_value FLOAT, nearest INTEGER, nearest_value FLOAT\
        """,
        rows);
    Map<String, Object> json = new LinkedHashMap<>(about);
    json.putAll(json());
    AtomicFiles.writeJson(folder.resolve(REPORT), json);
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
      boolean shared = has && value >= options.threshold();
      boolean lonely = nearest.value()[i] < options.threshold();
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
