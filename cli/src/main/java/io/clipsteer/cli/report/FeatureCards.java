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
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** Everything that the index knows of the features that are shown. */
final class FeatureCards {
  private static final int LABELS = 6;
  private static final int NAMES = 5;
  private static final int NEAR = 6;

  private final IndexFolder index;
  private final IndexFolder.IndexManifest manifest;
  private final List<Shown> shown;
  private final Map<String, Map<String, @Nullable Object>> cards = new LinkedHashMap<>();
  private final Map<String, Integer> places = new LinkedHashMap<>();
  private final Set<String> images = new LinkedHashSet<>();

  /** Ids of images by exemplar, to be replaced by thumbnails. */
  private final List<Map<String, @Nullable Object>> exemplars = new ArrayList<>();

  private FeatureCards(IndexFolder index, IndexFolder.IndexManifest manifest, List<Shown> shown) {
    this.index = index;
    this.manifest = manifest;
    this.shown = shown;
    for (int g = 0; g < manifest.groups().size(); g++)
      places.put(manifest.groups().get(g).sae(), g);
    for (Shown one : shown) {
      Map<String, @Nullable Object> card = new LinkedHashMap<>();
      card.put("s", Objects.requireNonNull(places.get(one.sae())));
      card.put("id", one.id());
      card.put("why", one.why());
      for (String list : List.of("tops", "names", "labels", "near")) {
        card.put(list, new ArrayList<Map<String, @Nullable Object>>());
      }
      cards.put(one.sae() + " " + one.id(), card);
    }
  }

  /** Reads the tables. */
  static FeatureCards read(
      IndexFolder index, IndexFolder.IndexManifest manifest, List<Shown> shown, int exemplars) {
    var cards = new FeatureCards(index, manifest, shown);
    if (shown.isEmpty()) return cards;
    cards.units();
    if (exemplars > 0) cards.tops(exemplars);
    cards.names();
    cards.labels();
    return cards;
  }

  List<Map<String, @Nullable Object>> all() {
    return List.copyOf(cards.values());
  }

  /** Images that are shown. */
  Set<String> images() {
    return images;
  }

  /** Says where each exemplar's thumbnail is; −1 for an image that is missing. */
  void setThumbnails(Thumbnails thumbnails) {
    for (Map<String, @Nullable Object> top : exemplars) {
      top.put("t", thumbnails.places().getOrDefault(Cells.text(top.get("image")), -1));
    }
  }

  /** The shown ones as a condition. Names of SAEs come from a file: they are quoted. */
  private String among() {
    return shown.stream()
        .map(one -> "('" + one.sae().replace("'", "''") + "'," + one.id() + ")")
        .collect(Collectors.joining(",", "(sae, id) IN (VALUES ", ")"));
  }

  private List<List<@Nullable Object>> ask(String sql) {
    return FeatureQuery.run(index, sql.formatted(among())).rows();
  }

  private Map<String, @Nullable Object> card(List<@Nullable Object> row) {
    return Objects.requireNonNull(
        cards.get(Cells.text(row.get(0)) + " " + Cells.whole(row.get(1))));
  }

  private int patches(List<@Nullable Object> row) {
    IndexFolder.UnitGroup group =
        manifest.groups().get(Objects.requireNonNull(places.get(Cells.text(row.get(0)))));
    return group.rows() * group.columns();
  }

  private void units() {
    String sql =
        """
        SELECT sae, id, name, name_score, frequency, image_frequency, images, cls_share, mean,
          mean_active, max, monosemanticity, histogram, positions FROM features WHERE %s\
        """;
    String[] numbers = {
      "nameScore",
      "frequency",
      "imageFrequency",
      "images",
      "clsShare",
      "mean",
      "meanActive",
      "max",
      "mono"
    };
    for (List<@Nullable Object> row : ask(sql)) {
      Map<String, @Nullable Object> card = card(row);
      card.put("name", row.get(2) == null ? null : Cells.text(row.get(2)));
      for (int i = 0; i < numbers.length; i++) {
        card.put(numbers[i], Cells.number(row.get(3 + i)));
      }
      card.put("hist", row.get(12));
      List<?> positions = Cells.list(row.get(13));
      double most = 0;
      for (Object p : positions) if (p instanceof Number n) most = Math.max(most, n.doubleValue());
      card.put("pos", most > 0 ? Cells.bytes(null, positions, positions.size(), most) : null);
      card.put("posMax", Cells.rounded(most));
    }
  }

  private void tops(int count) {
    String sql =
        """
        SELECT sae, id, image, max, patch, patches, activations FROM feature_tops
          WHERE ranking = 'max' AND rank <= %d AND %%s ORDER BY sae, id, rank\
        """
            .formatted(count);
    for (List<@Nullable Object> row : ask(sql)) {
      Map<String, @Nullable Object> top = new LinkedHashMap<>();
      String image = Cells.text(row.get(2));
      images.add(image);
      top.put("image", image);
      top.put("max", Cells.number(row.get(3)));
      top.put("patch", row.get(4));
      Object most = card(row).get("max");
      if (patches(row) > 0 && most instanceof Double max) {
        top.put(
            "map", Cells.bytes(Cells.list(row.get(5)), Cells.list(row.get(6)), patches(row), max));
      }
      exemplars.add(top);
      add(row, "tops", top);
    }
  }

  private void names() {
    String sql =
        "SELECT sae, id, method, word, score, margin FROM feature_names WHERE rank <= "
            + NAMES
            + " AND %s ORDER BY sae, id, method, rank";
    for (List<@Nullable Object> row : ask(sql)) {
      Map<String, @Nullable Object> name = new LinkedHashMap<>();
      name.put("method", Cells.text(row.get(2)));
      name.put("word", Cells.text(row.get(3)));
      name.put("score", Cells.number(row.get(4)));
      name.put("margin", Cells.number(row.get(5)));
      add(row, "names", name);
    }
  }

  private void labels() {
    String sql =
        """
        SELECT sae, id, factor, value, auroc, auroc_low, auroc_high, positives FROM feature_labels
          WHERE score = 'max' AND %s
          QUALIFY row_number() OVER (PARTITION BY sae, id ORDER BY auroc DESC, factor, value) <= \
        """
            + LABELS
            + " ORDER BY sae, id, auroc DESC";
    for (List<@Nullable Object> row : ask(sql)) {
      Map<String, @Nullable Object> label = new LinkedHashMap<>();
      label.put("label", Cells.text(row.get(2)) + ": " + Cells.text(row.get(3)));
      label.put("auroc", Cells.number(row.get(4)));
      label.put("low", Cells.number(row.get(5)));
      label.put("high", Cells.number(row.get(6)));
      label.put("positives", Cells.whole(row.get(7)));
      add(row, "labels", label);
    }
  }

  @SuppressWarnings("unchecked") // put there by the constructor
  private void add(List<@Nullable Object> row, String list, Map<String, @Nullable Object> one) {
    ((List<Map<String, @Nullable Object>>) Objects.requireNonNull(card(row).get(list))).add(one);
  }

  /** Adds the features of the same SAE whose decoder rows are most alike. */
  void neighbours(RunFolder folder, RunFolder.Run run) {
    for (RunFolder.SaeEntry entry : run.saes()) {
      List<Shown> own = shown.stream().filter(one -> one.sae().equals(entry.folder())).toList();
      if (own.isEmpty()) continue;
      Map<Integer, String> names = new LinkedHashMap<>();
      String quoted = entry.folder().replace("'", "''");
      String sql =
          "SELECT id, name FROM features WHERE name IS NOT NULL AND sae = '" + quoted + "'";
      for (List<@Nullable Object> row : FeatureQuery.run(index, sql).rows()) {
        names.put((int) Cells.whole(row.get(0)), Cells.text(row.get(1)));
      }
      try (Sae sae = SaeFiles.read(folder.sae(entry));
          Scope scope = Scope.open()) {
        Tensor rows = sae.decoder().unit();
        Tensor columns = rows.transpose(0, 1);
        for (Shown one : own) {
          if (one.id() >= sae.features()) continue; // an index of another SAE: nothing to say
          try (Scope inner = Scope.open()) {
            float[] cosines = rows.narrow(0, one.id(), 1).matmul(columns).toFloats();
            near(one, cosines, names);
          }
        }
      }
    }
  }

  private void near(Shown one, float[] cosines, Map<Integer, String> names) {
    cosines[one.id()] = Float.NEGATIVE_INFINITY;
    for (int n = 0; n < Math.min(NEAR, cosines.length - 1); n++) {
      int best = 0;
      for (int u = 1; u < cosines.length; u++) if (cosines[u] > cosines[best]) best = u;
      Map<String, @Nullable Object> near = new LinkedHashMap<>();
      near.put("id", best);
      near.put("cos", Cells.rounded(cosines[best]));
      near.put("name", names.get(best));
      cosines[best] = Float.NEGATIVE_INFINITY;
      add(List.of(one.sae(), one.id()), "near", near);
    }
  }
}
