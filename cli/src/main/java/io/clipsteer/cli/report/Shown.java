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
import org.jspecify.annotations.Nullable;

/**
 * Which features a report shows. Of each SAE the same number, and of these a third for each of
 * three reasons, since the best alone would flatter and a sample alone would bore: the clearest by
 * monosemanticity (over ten images at least), those that steer most, and a random sample. Without
 * steerability it is halves; what is drawn twice is shown once, with both reasons. What an edit
 * takes away comes first.
 *
 * @param sae its folder
 * @param id of the feature
 * @param why {@code edit}, {@code clear}, {@code steers}, {@code sample}
 */
record Shown(String sae, int id, Set<String> why) {
  static final String EDIT = "edit";
  static final String CLEAR = "clear";
  static final String STEERS = "steers";
  static final String SAMPLE = "sample";

  private static final int FEW_IMAGES = 10;

  /**
   * Features that something was measured of.
   *
   * @param edits those that edits take away, by SAE
   */
  record Wanted(@Nullable Steered steered, Map<String, Set<Integer>> edits) {}

  /** A feature with its places in two orders. */
  private record Candidate(int id, long clear, long lot) {}

  /**
   * Chooses.
   *
   * @param saes in the order of the report
   * @param count features in all, at most
   */
  static List<Shown> choose(
      IndexFolder index, List<String> saes, Wanted wanted, int count, long seed) {
    Map<String, List<Candidate>> candidates = candidates(index, wanted.edits, count, seed);
    List<Shown> all = new ArrayList<>();
    for (int s = 0; s < saes.size(); s++) {
      int quota = count / saes.size() + (s < count % saes.size() ? 1 : 0);
      all.addAll(of(saes.get(s), candidates.getOrDefault(saes.get(s), List.of()), wanted, quota));
    }
    return all;
  }

  private static Map<String, List<Candidate>> candidates(
      IndexFolder index, Map<String, Set<Integer>> edits, int count, long seed) {
    // A random order that is the same everywhere: multiplication by an odd number modulo 2^32.
    String sql =
        """
        WITH ranked AS (SELECT sae, id,
          row_number() OVER (PARTITION BY sae
            ORDER BY images >= %d DESC, monosemanticity DESC NULLS LAST, id) AS clear,
          row_number() OVER (PARTITION BY sae
            ORDER BY (id::BIGINT * 2654435761 + %d) %% 4294967296, id) AS lot
          FROM features WHERE images > 0)
        SELECT sae, id, clear, lot FROM ranked WHERE clear <= %d OR lot <= %d OR id IN (%s)\
        """
            .formatted(
                FEW_IMAGES, Math.floorMod(seed * 40503, 1L << 32), count, 3L * count, ids(edits));
    Map<String, List<Candidate>> candidates = new LinkedHashMap<>();
    for (List<@Nullable Object> row : FeatureQuery.run(index, sql).rows()) {
      candidates
          .computeIfAbsent(Cells.text(row.get(0)), sae -> new ArrayList<>())
          .add(
              new Candidate(
                  (int) Cells.whole(row.get(1)), Cells.whole(row.get(2)), Cells.whole(row.get(3))));
    }
    return candidates;
  }

  private static List<Shown> of(String sae, List<Candidate> candidates, Wanted wanted, int quota) {
    Steered steered = wanted.steered;
    Map<Integer, Set<String>> why = new LinkedHashMap<>();
    Set<Integer> known = new LinkedHashSet<>();
    for (Candidate candidate : candidates) known.add(candidate.id);
    List<Integer> strongest =
        steered == null
            ? List.of()
            : steered.scores().getOrDefault(sae, Map.of()).keySet().stream()
                .filter(known::contains)
                .toList();
    for (int id : wanted.edits.getOrDefault(sae, Set.of())) {
      if (known.contains(id)) why.computeIfAbsent(id, i -> new LinkedHashSet<>()).add(EDIT);
    }
    int part = strongest.isEmpty() ? quota / 2 : quota / 3;
    take(why, strongest, STEERS, part);
    take(why, ids(candidates, Comparator.comparingLong(Candidate::clear)), CLEAR, part);
    List<Integer> lots = ids(candidates, Comparator.comparingLong(Candidate::lot));
    for (int id : lots) {
      if (why.size() >= quota && !why.containsKey(id)) break;
      why.computeIfAbsent(id, i -> new LinkedHashSet<>()).add(SAMPLE);
    }
    return why.entrySet().stream().map(e -> new Shown(sae, e.getKey(), e.getValue())).toList();
  }

  /** As SQL lists them; numbers of all SAEs together, a few too many being no harm. */
  private static String ids(Map<String, Set<Integer>> edits) {
    List<String> all = new ArrayList<>(List.of("-1"));
    edits.values().forEach(ids -> ids.forEach(id -> all.add(Integer.toString(id))));
    return String.join(", ", all);
  }

  private static List<Integer> ids(List<Candidate> candidates, Comparator<Candidate> order) {
    return candidates.stream().sorted(order).map(Candidate::id).toList();
  }

  private static void take(
      Map<Integer, Set<String>> why, List<Integer> ids, String reason, int count) {
    for (int id : ids.subList(0, Math.min(count, ids.size()))) {
      why.computeIfAbsent(id, i -> new LinkedHashSet<>()).add(reason);
    }
  }
}
