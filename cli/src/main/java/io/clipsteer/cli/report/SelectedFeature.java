// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.report;

import io.clipsteer.lab.index.FeatureQuery;
import io.clipsteer.lab.index.IndexFolder;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * A feature that a report shows. Every SAE has the same number of them: up to a third are the most
 * monosemantic and up to a third the most steerable of those beyond an absolute bound ({@link
 * IndexFolder.IndexManifest#clearMonosemanticity}, active on at least ten images; unbiased S above
 * τ), the rest a random sample, to avoid cherry-picking. Without steerability these are halves. A
 * feature selected twice is shown once, with both reasons. The features that an edit changes come
 * first and do not count.
 *
 * @param sae its folder
 * @param id of the feature
 * @param reasons {@code edit}, {@code monosemantic}, {@code steerable}, {@code sample}
 */
record SelectedFeature(String sae, int id, Set<String> reasons) {
  private static final String EDIT = "edit";
  private static final String MONOSEMANTIC = "monosemantic";
  private static final String STEERABLE = "steerable";
  private static final String SAMPLE = "sample";

  /** Columns of a candidate's ranks. */
  private static final int CLARITY = 2;

  private static final int RANDOM = 3;

  /** Whether the monosemanticity is clear, 1 or 0. */
  private static final int CLEAR = 4;

  /** Whether it is shown for an edit alone, beyond the number that was selected. */
  boolean onlyEdited() {
    return reasons.equals(Set.of(EDIT));
  }

  /**
   * Selects the features of a report.
   *
   * @param manifest the index's, with the SAEs in the order of the report
   * @param edited the features that edits change, by SAE
   * @param count features selected in all, at most
   */
  static List<SelectedFeature> select(
      IndexFolder index,
      IndexFolder.IndexManifest manifest,
      @Nullable MeasuredSteerability steerability,
      Map<String, Set<Integer>> edited,
      int count,
      long seed) {
    List<String> saes = manifest.groups().stream().map(IndexFolder.IndexGroup::sae).toList();
    String sql = sql(edited, manifest.clearMonosemanticity(), count, seed);
    Map<String, List<List<@Nullable Object>>> candidates =
        FeatureQuery.run(index, sql).rows().stream()
            .collect(Collectors.groupingBy(row -> Cells.text(row.getFirst())));
    List<SelectedFeature> all = new ArrayList<>();
    for (int s = 0; s < saes.size(); s++) {
      String sae = saes.get(s);
      List<List<@Nullable Object>> own = candidates.getOrDefault(sae, List.of());
      List<Integer> steerable = steerability == null ? List.of() : steerability.aboveTau(sae);
      int quota = count / saes.size() + (s < count % saes.size() ? 1 : 0);
      Map<Integer, Set<String>> reasons = new LinkedHashMap<>();
      List<Integer> ids = ids(own, CLARITY);
      for (int id : edited.getOrDefault(sae, Set.of())) {
        if (ids.contains(id)) add(reasons, id, EDIT);
      }
      List<Integer> best = steerable.stream().filter(ids::contains).toList();
      selected(own, best, quota)
          .forEach((id, why) -> why.forEach(reason -> add(reasons, id, reason)));
      reasons.forEach((id, why) -> all.add(new SelectedFeature(sae, id, why)));
    }
    return all;
  }

  /** SAE, feature, and its ranks by monosemanticity and in a random order. */
  private static String sql(Map<String, Set<Integer>> edited, double clear, int count, long seed) {
    // A random order that is the same everywhere: multiplication by an odd number modulo 2^32.
    return """
    WITH ranked AS (SELECT sae, id,
      row_number() OVER (PARTITION BY sae
        ORDER BY images >= %d DESC, monosemanticity DESC NULLS LAST, id) AS clarity,
      row_number() OVER (PARTITION BY sae
        ORDER BY (id::BIGINT * 2654435761 + %d) %% 4294967296, id) AS random,
      (images >= %d AND coalesce(monosemanticity, -1) >= %s)::INT AS clear
      FROM features WHERE images > 0)
    SELECT sae, id, clarity, random, clear FROM ranked
      WHERE clarity <= %d OR random <= %d OR id IN (%s)\
    """
        .formatted(
            IndexFolder.FEW_IMAGES,
            Math.floorMod(seed * 40503, 1L << 32),
            IndexFolder.FEW_IMAGES,
            Double.toString(clear),
            count,
            3L * count,
            ids(edited));
  }

  /** The reasons of one SAE's features, edits aside. */
  private static Map<Integer, Set<String>> selected(
      List<List<@Nullable Object>> candidates, List<Integer> steerable, int quota) {
    Map<Integer, Set<String>> reasons = new LinkedHashMap<>();
    int part = steerable.isEmpty() ? quota / 2 : quota / 3;
    for (int id : steerable.subList(0, Math.min(part, steerable.size()))) {
      add(reasons, id, STEERABLE);
    }
    List<Integer> clear =
        ids(candidates.stream().filter(row -> Cells.whole(row.get(CLEAR)) == 1).toList(), CLARITY);
    for (int id : clear.subList(0, Math.min(part, clear.size()))) add(reasons, id, MONOSEMANTIC);
    for (int id : ids(candidates, RANDOM)) {
      if (reasons.size() >= quota && !reasons.containsKey(id)) break;
      add(reasons, id, SAMPLE);
    }
    return reasons;
  }

  private static void add(Map<Integer, Set<String>> reasons, int id, String reason) {
    reasons.computeIfAbsent(id, i -> new LinkedHashSet<>()).add(reason);
  }

  /** As SQL lists them, of all SAEs together: a few candidates too many do no harm. */
  private static String ids(Map<String, Set<Integer>> edited) {
    List<String> all = new ArrayList<>(List.of("-1"));
    edited.values().forEach(ids -> ids.forEach(id -> all.add(Integer.toString(id))));
    return String.join(", ", all);
  }

  /** The features by one of their ranks. */
  private static List<Integer> ids(List<List<@Nullable Object>> candidates, int rank) {
    return candidates.stream()
        .sorted(Comparator.comparingLong(row -> Cells.whole(row.get(rank))))
        .map(row -> (int) Cells.whole(row.get(1)))
        .toList();
  }
}
