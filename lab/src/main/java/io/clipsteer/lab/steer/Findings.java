// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.steer;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import io.clipsteer.data.stats.Correlation;
import io.clipsteer.data.stats.Share;
import io.clipsteer.lab.index.FeatureQuery;
import io.clipsteer.lab.index.IndexFolder;
import io.clipsteer.lab.index.UnitRange;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Steerability beside an index: whether steering raises names, and how it depends on where in an
 * image a feature is active.
 *
 * @param names by SAE
 * @param locality by SAE
 * @param bestLayer over the words that steerable features of two or more SAEs promote most: the
 *     layer of the feature with the largest S, against that feature's cover; null with fewer than
 *     four such words
 * @param bestLayerWords number of these words
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record Findings(
    List<Named> names,
    List<Local> locality,
    @JsonProperty("best_layer_against_cover") @Nullable Correlation bestLayer,
    int bestLayerWords) {
  /**
   * Whether steering a feature raises its name, or without a clear name the word that the index saw
   * it raise.
   *
   * @param layer the SAE's block
   * @param sae its folder
   * @param steerable features with S above τ
   * @param outside of these, features without such a word in the vocabulary
   * @param first share of the others that promote their name most; null when there are no others
   * @param among share of the others that have it among the five words they promote most
   * @param raised share of the others that make it more probable
   * @param chance mean share of all words that they make more probable
   */
  public record Named(
      int layer,
      String sae,
      int steerable,
      int outside,
      @Nullable Share first,
      @Nullable Share among,
      @Nullable Share raised,
      @Nullable Double chance) {}

  /**
   * Whether features that are active in a small part of the image steer more or less.
   *
   * @param layer the SAE's block
   * @param sae its folder
   * @param features with a patch active in some image
   * @param correlation of ranks, S against cover: of the images it is active in, the mean share of
   *     the grid
   */
  public record Local(int layer, String sae, int features, Correlation correlation) {}

  /**
   * A feature in the index.
   *
   * @param name row of its name in the vocabulary; −1 where it has none, or one that is absent
   * @param cover of the images it is active in, the mean share of the grid
   * @param range of its activations
   */
  public record IndexedFeature(int name, double cover, UnitRange range) {}

  /**
   * Joins measured features with the index.
   *
   * @param known by SAE, then feature
   * @param layers the measurement
   */
  static Findings of(
      Map<String, Map<Integer, IndexedFeature>> known, List<LayerResult> layers, double tau) {
    List<Named> names = new ArrayList<>();
    List<Local> locality = new ArrayList<>();
    Map<Integer, List<Best>> best = new HashMap<>();
    for (LayerResult layer : layers) {
      Map<Integer, IndexedFeature> features = known.get(layer.sae());
      if (layer.unit() != SteeredUnits.UnitKind.FEATURES || features == null) continue;
      names.add(named(layer, features, tau));
      Local local = local(layer, features);
      if (local != null) locality.add(local);
      for (Map.Entry<Integer, Best> word : bests(layer, features, tau).entrySet()) {
        best.computeIfAbsent(word.getKey(), w -> new ArrayList<>()).add(word.getValue());
      }
    }
    List<Best> most =
        best.values().stream()
            .filter(some -> some.size() > 1)
            .map(some -> some.stream().reduce((a, b) -> b.s > a.s ? b : a).orElseThrow())
            .toList();
    Correlation trend =
        most.size() < 4
            ? null
            : Correlation.spearman(
                most.stream().mapToDouble(Best::layer).toArray(),
                most.stream().mapToDouble(Best::cover).toArray());
    return new Findings(List.copyOf(names), List.copyOf(locality), trend, most.size());
  }

  /** A word's best feature of one SAE. */
  private record Best(int layer, double s, double cover) {}

  private static Map<Integer, Best> bests(
      LayerResult layer, Map<Integer, IndexedFeature> features, double tau) {
    Map<Integer, Best> best = new HashMap<>();
    for (UnitScore score : layer.scores()) {
      IndexedFeature feature = features.get(score.unit());
      if (!score.isAbove(tau) || score.top() < 0 || feature == null || feature.cover <= 0) continue;
      best.merge(
          score.top(),
          new Best(layer.layer(), score.s(), feature.cover),
          (a, b) -> b.s > a.s ? b : a);
    }
    return best;
  }

  private static Named named(LayerResult layer, Map<Integer, IndexedFeature> features, double tau) {
    int steerable = 0;
    int inside = 0;
    int first = 0;
    int among = 0;
    for (UnitScore score : layer.scores()) {
      if (!score.isAbove(tau)) continue;
      steerable++;
      IndexedFeature feature = features.get(score.unit());
      if (feature == null || feature.name < 0) continue;
      inside++;
      if (score.top() == feature.name) first++;
      for (UnitScore.Moved moved : score.promoted()) if (moved.word() == feature.name) among++;
    }
    boolean none = inside == 0;
    Raised raised = layer.raised();
    return new Named(
        layer.layer(),
        layer.sae(),
        steerable,
        steerable - inside,
        none ? null : Share.of(first, inside),
        none ? null : Share.of(among, inside),
        none ? null : Share.of(raised.raised(), raised.named()),
        none ? null : (Double) (raised.chance() / raised.named()));
  }

  private static @Nullable Local local(LayerResult layer, Map<Integer, IndexedFeature> features) {
    List<double[]> pairs = new ArrayList<>();
    for (UnitScore score : layer.scores()) {
      IndexedFeature feature = features.get(score.unit());
      if (feature != null && feature.cover > 0) {
        pairs.add(new double[] {score.s(), feature.cover});
      }
    }
    if (pairs.size() < 4) return null;
    double[] s = pairs.stream().mapToDouble(pair -> pair[0]).toArray();
    double[] cover = pairs.stream().mapToDouble(pair -> pair[1]).toArray();
    return new Local(layer.layer(), layer.sae(), s.length, Correlation.spearman(s, cover));
  }

  private static String plain(String word) {
    return word.strip().toLowerCase(Locale.ROOT);
  }

  /** An index's features, by SAE; empty without an index of features. */
  public static Map<String, Map<Integer, IndexedFeature>> known(
      IndexFolder index, List<String> words) {
    if (!index.has(io.clipsteer.lab.index.IndexedUnits.FEATURES)) return Map.of();
    Map<String, Integer> rows = new HashMap<>();
    for (int w = 0; w < words.size(); w++) {
      rows.putIfAbsent(plain(words.get(w)), w);
    }
    var answer =
        FeatureQuery.run(
            index,
            "SELECT sae, id, coalesce(name, steered, ''), CASE WHEN image_frequency > 0 THEN"
                + " coalesce(frequency_patches, 0) / image_frequency ELSE 0 END, max, histogram"
                + " FROM features");
    Map<String, Map<Integer, IndexedFeature>> known = new HashMap<>();
    for (List<@Nullable Object> row : answer.rows()) {
      String sae = String.valueOf(row.get(0));
      int id = ((Number) Objects.requireNonNull(row.get(1))).intValue();
      double cover = ((Number) Objects.requireNonNull(row.get(3))).doubleValue();
      known
          .computeIfAbsent(sae, s -> new HashMap<>())
          .put(
              id,
              new IndexedFeature(
                  rows.getOrDefault(plain(String.valueOf(row.get(2))), -1),
                  cover,
                  UnitRange.of(row.get(4), row.get(5))));
    }
    return known;
  }
}
