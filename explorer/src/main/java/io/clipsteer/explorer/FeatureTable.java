// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.explorer;

import io.clipsteer.data.InputException;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.lab.index.FeatureQuery;
import io.clipsteer.lab.index.FeatureSearch;
import io.clipsteer.lab.index.IndexFolder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The index's features as the page shows them.
 *
 * @param query of the index, open
 * @param groups SAEs of the index, in its order
 */
record FeatureTable(FeatureQuery query, List<IndexFolder.IndexGroup> groups) {
  private static final int MOST_ROWS = 200;
  private static final int EXEMPLARS = 24;

  /** Columns that the page may sort by, filter by, or plot. */
  static final List<String> COLUMNS =
      List.of(
          "id",
          "frequency",
          "image_frequency",
          "max",
          "mean",
          "monosemanticity",
          "cls_share",
          "name_score",
          "auroc");

  private static final String FROM =
      " FROM features f LEFT JOIN " + FeatureQuery.BEST_LABELS + " b USING (sae, id)";

  /**
   * A range of a column.
   *
   * @param low the least value that fits
   * @param high the largest
   */
  record ColumnRange(String column, double low, double high) {}

  /**
   * Which features.
   *
   * @param sae number of an SAE; null for all
   * @param sort a column of the table
   * @param falling whether the largest come first
   * @param named part of the name or of the most associated label; null for any
   * @param alive whether dead features are skipped
   * @param ranges that features lie in
   * @param from how many are skipped
   * @param count of rows, at most {@link #MOST_ROWS}
   */
  record Wanted(
      @Nullable Integer sae,
      String sort,
      boolean falling,
      @Nullable String named,
      boolean alive,
      List<ColumnRange> ranges,
      int from,
      int count) {}

  /** A page of the table. */
  record FeaturePage(long total, List<Map<String, @Nullable Object>> features) {}

  /** A feature's card: its statistics, exemplars, names and labels. */
  record FeatureView(
      int sae,
      int layer,
      Map<String, @Nullable Object> statistics,
      List<Map<String, @Nullable Object>> exemplars,
      List<Map<String, @Nullable Object>> names,
      List<Map<String, @Nullable Object>> labels) {}

  FeaturePage page(Wanted wanted) {
    List<String> conditions = new ArrayList<>(List.of("true"));
    if (wanted.sae != null) conditions.add("sae = " + quoted(group(wanted.sae).sae()));
    if (wanted.alive) conditions.add("frequency > 0");
    if (wanted.named != null) {
      conditions.add(
          "contains(lower(concat_ws(' ', name, label)), lower(" + quoted(wanted.named) + "))");
    }
    for (ColumnRange range : wanted.ranges) {
      conditions.add(
          column(range.column) + " BETWEEN " + finite(range.low) + " AND " + finite(range.high));
    }
    String where = FROM + " WHERE " + String.join(" AND ", conditions);
    long total = ((Number) first(query.rows("SELECT count(*)" + where))).longValue();
    int count = Math.clamp(wanted.count, 0, MOST_ROWS);
    String order = column(wanted.sort) + (wanted.falling ? " DESC" : " ASC") + " NULLS LAST";
    var rows =
        query.rows(
            "SELECT sae, layer, id, name, steered, label, auroc, frequency, image_frequency,"
                + " images, max, mean, monosemanticity, cls_share"
                + where
                + " ORDER BY "
                + order
                + ", sae, id LIMIT "
                + count
                + " OFFSET "
                + Math.max(0, wanted.from));
    List<Map<String, @Nullable Object>> features = objects(rows);
    for (Map<String, @Nullable Object> one : features) {
      one.put("sae", number(String.valueOf(one.get("sae"))));
    }
    return new FeaturePage(total, features);
  }

  private static String column(String name) {
    if (COLUMNS.contains(name)) return name;
    throw new InputException("column " + name, "is none", "Use one of " + COLUMNS);
  }

  private static String finite(double value) {
    if (Double.isFinite(value)) return "CAST('" + value + "' AS DOUBLE)";
    throw new InputException("a range", "is not finite", "Write two numbers");
  }

  /** The number of an SAE's folder. */
  private int number(String folder) {
    for (int g = 0; g < groups.size(); g++) if (groups.get(g).sae().equals(folder)) return g;
    throw new IllegalStateException(folder);
  }

  /** A column of an SAE's features; NaN where a feature has none. */
  float[] values(int sae, String column) {
    var rows =
        query.rows(
            "SELECT id, CAST(%s AS DOUBLE)%s WHERE sae = %s"
                .formatted(column(column), FROM, quoted(group(sae).sae())));
    float[] values = new float[group(sae).units()];
    Arrays.fill(values, Float.NaN);
    for (List<@Nullable Object> row : rows.rows()) {
      if (!(row.getFirst() instanceof Number id) || id.intValue() >= values.length) continue;
      if (row.get(1) instanceof Number value) values[id.intValue()] = value.floatValue();
    }
    return values;
  }

  /**
   * The strongest images of features that were found, by number of the SAE and of the feature.
   *
   * @param count of each
   */
  Map<String, List<Map<String, @Nullable Object>>> exemplars(
      List<FeatureSearch.Hit> features, int count) {
    return exemplars(features.stream().map(one -> one(one.sae(), one.id())), count);
  }

  /** The same of a page of the table. */
  Map<String, List<Map<String, @Nullable Object>>> exemplarsOf(FeaturePage page, int count) {
    return exemplars(
        page.features.stream()
            .map(
                row ->
                    one(
                        group(((Number) Objects.requireNonNull(row.get("sae"))).intValue()).sae(),
                        ((Number) Objects.requireNonNull(row.get("id"))).intValue())),
        count);
  }

  private static String one(String sae, int id) {
    return "(sae = " + quoted(sae) + " AND id = " + id + ")";
  }

  private Map<String, List<Map<String, @Nullable Object>>> exemplars(
      Stream<String> conditions, int count) {
    Map<String, List<Map<String, @Nullable Object>>> all = new HashMap<>();
    String which = conditions.collect(Collectors.joining(" OR "));
    if (which.isEmpty()) return all;
    String sql =
        "SELECT sae, id, image, max, patch FROM feature_tops WHERE ranking = 'max' AND rank <= "
            + count
            + " AND ("
            + which
            + ") ORDER BY sae, id, rank";
    for (Map<String, @Nullable Object> row : objects(query.rows(sql))) {
      String key = number(String.valueOf(row.remove("sae"))) + ":" + row.remove("id");
      all.computeIfAbsent(key, k -> new ArrayList<>()).add(row);
    }
    return all;
  }

  /** The features that tell images with a label from others best, by AUROC. */
  List<FeatureSearch.Hit> byLabel(String factor, String value, int count) {
    String sql =
        "SELECT l.sae, l.id, l.auroc, f.layer, f.name, f.steered, f.frequency FROM feature_labels l"
            + " JOIN features f USING (sae, id) WHERE l.score = 'max' AND l.factor = "
            + quoted(factor)
            + " AND l.value = "
            + quoted(value)
            + " ORDER BY l.auroc DESC, l.sae, l.id LIMIT "
            + count;
    return query.rows(sql).rows().stream().map(FeatureTable::hit).toList();
  }

  private static FeatureSearch.Hit hit(List<@Nullable Object> row) {
    return new FeatureSearch.Hit(
        String.valueOf(row.get(0)),
        ((Number) Objects.requireNonNull(row.get(1))).intValue(),
        ((Number) Objects.requireNonNull(row.get(3))).intValue(),
        ((Number) Objects.requireNonNull(row.get(2))).doubleValue(),
        row.get(4) instanceof String name ? name : null,
        row.get(5) instanceof String steered ? steered : null,
        row.get(6) instanceof Number frequency ? frequency.doubleValue() : 0);
  }

  /** The number of the SAE of a feature that was found. */
  int sae(FeatureSearch.Hit hit) {
    return number(hit.sae());
  }

  FeatureView card(int sae, int id) {
    IndexFolder.IndexGroup group = group(sae);
    if (id < 0 || id >= group.units()) {
      throw new InputException(
          "feature " + id, "there are 0 to " + (group.units() - 1), "Name one of them");
    }
    String where = " WHERE sae = " + quoted(group.sae()) + " AND id = " + id;
    List<Map<String, @Nullable Object>> statistics =
        objects(
            query.rows(
                "SELECT id, name, name_score, name_margin, name_change, steered, steered_change,"
                    + " frequency, frequency_cls, frequency_patches, cls_share, images,"
                    + " image_frequency, mean, mean_active, max, monosemanticity, histogram,"
                    + " positions FROM features"
                    + where));
    int patches = group.rows() * group.columns();
    List<Map<String, @Nullable Object>> exemplars = new ArrayList<>();
    Map<String, @Nullable Object> own = statistics.isEmpty() ? Map.of() : statistics.getFirst();
    double most = own.get("max") instanceof Number max ? max.doubleValue() : 0;
    for (Map<String, @Nullable Object> row :
        objects(
            query.rows(
                "SELECT rank, image, image_number, max, mean, patch, patches, activations FROM"
                    + " feature_tops"
                    + where
                    + " AND ranking = 'max' ORDER BY rank LIMIT "
                    + EXEMPLARS))) {
      row.put("map", map(row.remove("patches"), row.remove("activations"), patches, most));
      exemplars.add(row);
    }
    return new FeatureView(
        sae,
        HookPoint.parse(group.hookPoint()).layer(),
        own,
        exemplars,
        objects(
            query.rows(
                "SELECT method, rank, word, score, margin, images_z, words_z, change FROM"
                    + " feature_names"
                    + where
                    + " ORDER BY method, rank")),
        objects(
            query.rows(
                "SELECT factor, value, auroc, auroc_low, auroc_high, positives FROM feature_labels"
                    + where
                    + " AND score = 'max' AND least(positives, images - positives) >= "
                    + IndexFolder.FEW_IMAGES
                    + " ORDER BY auroc DESC, factor, value LIMIT 8")));
  }

  /** Activations of patches as bytes in base 64: 255 is the feature's largest. */
  private static @Nullable String map(
      @Nullable Object places, @Nullable Object values, int patches, double most) {
    if (!(places instanceof List<?> at) || !(values instanceof List<?> active) || !(most > 0)) {
      return null;
    }
    byte[] bytes = new byte[patches];
    for (int k = 0; k < Math.min(at.size(), active.size()); k++) {
      if (!(at.get(k) instanceof Number place) || !(active.get(k) instanceof Number value))
        continue;
      int patch = place.intValue();
      if (patch < 0 || patch >= patches) continue;
      bytes[patch] = (byte) Math.round(255 * Math.clamp(value.doubleValue() / most, 0, 1));
    }
    return Base64.getEncoder().encodeToString(bytes);
  }

  IndexFolder.IndexGroup group(int sae) {
    if (sae >= 0 && sae < groups.size()) return groups.get(sae);
    throw new InputException(
        "SAE " + sae, "there are 0 to " + (groups.size() - 1), "Name one of them");
  }

  private static String quoted(String text) {
    return "'" + text.replace("'", "''") + "'";
  }

  private static Object first(FeatureQuery.QueryRows rows) {
    return Objects.requireNonNull(rows.rows().getFirst().getFirst());
  }

  private static List<Map<String, @Nullable Object>> objects(FeatureQuery.QueryRows rows) {
    List<Map<String, @Nullable Object>> all = new ArrayList<>();
    for (List<@Nullable Object> row : rows.rows()) {
      Map<String, @Nullable Object> object = new LinkedHashMap<>();
      for (int c = 0; c < row.size(); c++) object.put(rows.columns().get(c), row.get(c));
      all.add(object);
    }
    return all;
  }
}
