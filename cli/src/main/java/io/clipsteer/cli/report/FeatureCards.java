// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.report;

import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.sae.Sae;
import io.clipsteer.engine.sae.format.SaeFiles;
import io.clipsteer.lab.index.FeatureQuery;
import io.clipsteer.lab.index.IndexFolder;
import io.clipsteer.lab.run.RunFolder;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** The pages of the features that are selected, from the index's tables. */
final class FeatureCards {
  /**
   * A feature's page.
   *
   * @param sae number of its SAE in the report
   * @param statistics its row of the table of features
   * @param exemplars the images of its largest activations
   * @param names words for it, by method
   * @param labels those that predict it best
   * @param neighbours features of the same SAE with similar decoder rows
   */
  record Card(
      int sae,
      SelectedFeature feature,
      Map<String, @Nullable Object> statistics,
      List<Exemplar> exemplars,
      List<Map<String, @Nullable Object>> names,
      List<Map<String, @Nullable Object>> labels,
      List<Neighbour> neighbours,
      MeasuredSteerability.@Nullable Unit steerability) {}

  /**
   * An image.
   *
   * @param max the feature's largest activation on it
   * @param map activations of its patches in base 64; null without patches
   * @param thumbnail its number; −1 where the image is missing
   */
  record Exemplar(String image, @Nullable Double max, @Nullable String map, int thumbnail) {}

  /** A feature with its decoder row's cosine. */
  record Neighbour(int id, @Nullable Double cosine, @Nullable String name) {}

  private static final int LABELS = 6;
  private static final int NAMES = 3;
  private static final int NEIGHBOURS = 6;

  private final IndexFolder index;
  private final List<IndexFolder.IndexGroup> groups;
  private final List<SelectedFeature> selected;
  private final @Nullable MeasuredSteerability steerability;
  private final Map<String, Map<String, @Nullable Object>> statistics;
  private final Map<String, List<Map<String, @Nullable Object>>> exemplars;
  private final Map<String, List<Map<String, @Nullable Object>>> names;
  private final Map<String, List<Map<String, @Nullable Object>>> labels;
  private final Map<String, List<Neighbour>> neighbours = new LinkedHashMap<>();

  /**
   * Reads the tables.
   *
   * @param exemplarCount images of each feature
   */
  FeatureCards(
      IndexFolder index,
      List<IndexFolder.IndexGroup> groups,
      List<SelectedFeature> selected,
      @Nullable MeasuredSteerability steerability,
      int exemplarCount) {
    this.index = index;
    this.groups = groups;
    this.selected = selected;
    this.steerability = steerability;
    statistics = new LinkedHashMap<>();
    query(
            """
            SELECT sae, id, name, name_score, name_margin, name_change, steered, steered_change,
              frequency, image_frequency, images, cls_share, mean, mean_active, max,
              monosemanticity, histogram, positions FROM features WHERE %s\
            """)
        .forEach((feature, rows) -> statistics.put(feature, positions(rows.getFirst())));
    exemplars =
        query(
            """
            SELECT sae, id, image, max, patches, activations FROM feature_tops
              WHERE ranking = 'max' AND %s AND rank <= \
            """
                + exemplarCount
                + " ORDER BY sae, id, rank");
    names =
        query(
            """
            SELECT sae, id, method, word, score, margin, images_z, words_z, change
              FROM feature_names WHERE %s AND rank <= \
            """
                + NAMES
                + " ORDER BY sae, id, method, rank");
    labels =
        query(
            """
            SELECT sae, id, factor || ': ' || value AS label, auroc, auroc_low, auroc_high,
              positives FROM feature_labels WHERE score = 'max' AND
              least(positives, images - positives) >= 10 AND %s QUALIFY row_number() OVER
              (PARTITION BY sae, id ORDER BY auroc DESC, factor, value) <= \
            """
                + LABELS
                + " ORDER BY sae, id, auroc DESC");
  }

  /** Names of the images that are shown. */
  Set<String> images() {
    Set<String> images = new LinkedHashSet<>();
    exemplars.values().forEach(all -> all.forEach(one -> images.add(Cells.text(one.get("image")))));
    return images;
  }

  /** The pages, with the positions of their images among the thumbnails. */
  List<Card> all(Thumbnails thumbnails) {
    List<String> saes = groups.stream().map(IndexFolder.IndexGroup::sae).toList();
    List<Card> cards = new ArrayList<>();
    for (SelectedFeature one : selected) {
      String key = key(one.sae(), one.id());
      int sae = saes.indexOf(one.sae());
      Map<String, @Nullable Object> row = statistics.getOrDefault(key, Map.of());
      cards.add(
          new Card(
              sae,
              one,
              row,
              exemplars.getOrDefault(key, List.of()).stream()
                  .map(exemplar -> exemplar(exemplar, groups.get(sae), row, thumbnails))
                  .toList(),
              names.getOrDefault(key, List.of()),
              labels.getOrDefault(key, List.of()),
              neighbours.getOrDefault(key, List.of()),
              steerability == null ? null : steerability.of(one.sae(), one.id())));
    }
    return cards;
  }

  private static String key(Object sae, Object id) {
    return sae + " " + id;
  }

  /**
   * The rows of the selected features, by feature, each with the query's columns after the first
   * two.
   *
   * @param sql selects {@code sae}, {@code id} and more; its {@code %s} becomes the condition
   */
  private Map<String, List<Map<String, @Nullable Object>>> query(String sql) {
    Map<String, List<Map<String, @Nullable Object>>> all = new LinkedHashMap<>();
    if (selected.isEmpty()) return all;
    // Names of SAEs come from a file: they are quoted.
    String among =
        selected.stream()
            .map(one -> "('" + one.sae().replace("'", "''") + "'," + one.id() + ")")
            .collect(Collectors.joining(",", "(sae, id) IN (VALUES ", ")"));
    FeatureQuery.QueryRows answer = FeatureQuery.run(index, sql.replace("%s", among));
    for (List<@Nullable Object> row : answer.rows()) {
      all.computeIfAbsent(
              key(Cells.text(row.get(0)), Cells.whole(row.get(1))), k -> new ArrayList<>())
          .add(Cells.object(answer, row, 2));
    }
    return all;
  }

  /** Mean activations by patch as bytes, and the largest of them. */
  private static Map<String, @Nullable Object> positions(Map<String, @Nullable Object> row) {
    List<?> positions = Cells.list(row.get("positions"));
    double most = 0;
    for (Object p : positions) if (p instanceof Number n) most = Math.max(most, n.doubleValue());
    row.put("positions", most > 0 ? Cells.bytes(null, positions, positions.size(), most) : null);
    row.put("positions_max", Cells.rounded(most));
    return row;
  }

  private static Exemplar exemplar(
      Map<String, @Nullable Object> row,
      IndexFolder.IndexGroup group,
      Map<String, @Nullable Object> statistics,
      Thumbnails thumbnails) {
    int patches = group.rows() * group.columns();
    String map =
        patches > 0 && statistics.get("max") instanceof Double max
            ? Cells.bytes(
                Cells.list(row.get("patches")), Cells.list(row.get("activations")), patches, max)
            : null;
    String image = Cells.text(row.get("image"));
    int thumbnail = thumbnails.positions().getOrDefault(image, -1);
    return new Exemplar(image, Cells.number(row.get("max")), map, thumbnail);
  }

  /** Finds the features of the same SAE whose decoder rows have the largest cosines. */
  void findNeighbours(RunFolder folder, RunFolder.Run run) {
    for (RunFolder.SaeEntry entry : run.saes()) {
      List<SelectedFeature> own =
          selected.stream().filter(one -> one.sae().equals(entry.folder())).toList();
      if (own.isEmpty()) continue;
      Map<Integer, String> named = new LinkedHashMap<>();
      String quoted = entry.folder().replace("'", "''");
      String sql =
          "SELECT id, name FROM features WHERE name IS NOT NULL AND sae = '" + quoted + "'";
      for (List<@Nullable Object> row : FeatureQuery.run(index, sql).rows()) {
        named.put((int) Cells.whole(row.get(0)), Cells.text(row.get(1)));
      }
      try (Sae sae = SaeFiles.read(folder.sae(entry));
          Scope scope = Scope.open()) {
        Tensor rows = sae.decoder().unit();
        Tensor columns = rows.transpose(0, 1);
        for (SelectedFeature one : own) {
          if (one.id() >= sae.features()) continue; // an index of another SAE: nothing to say
          try (Scope inner = Scope.open()) {
            float[] cosines = rows.narrow(0, one.id(), 1).matmul(columns).toFloats();
            neighbours.put(key(one.sae(), one.id()), nearest(one.id(), cosines, named));
          }
        }
      }
    }
  }

  private static List<Neighbour> nearest(int id, float[] cosines, Map<Integer, String> named) {
    List<Neighbour> nearest = new ArrayList<>();
    cosines[id] = Float.NEGATIVE_INFINITY;
    for (int n = 0; n < Math.min(NEIGHBOURS, cosines.length - 1); n++) {
      int best = 0;
      for (int u = 1; u < cosines.length; u++) if (cosines[u] > cosines[best]) best = u;
      nearest.add(new Neighbour(best, Cells.rounded(cosines[best]), named.get(best)));
      cosines[best] = Float.NEGATIVE_INFINITY;
    }
    return nearest;
  }
}
