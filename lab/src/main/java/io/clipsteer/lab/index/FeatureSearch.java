// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.index;

import io.clipsteer.data.InputException;
import io.clipsteer.engine.Scope;
import io.clipsteer.engine.Tensor;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.HookPoint;
import io.clipsteer.engine.model.Paused;
import io.clipsteer.engine.model.SelectedTokens;
import io.clipsteer.engine.model.TokenSelection;
import io.clipsteer.lab.run.RunSaes;
import io.clipsteer.lab.run.TowerWalk;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.stream.Collectors;
import org.apiguardian.api.API;
import org.jspecify.annotations.Nullable;

/**
 * Finds features of an indexed run.
 *
 * @param folder the index
 * @param manifest its JSON file
 * @param frequencies by group, then feature: share of the index's tokens
 * @param words by group, then feature
 */
@API(status = API.Status.MAINTAINED, since = "0.1")
public record FeatureSearch(
    IndexFolder folder,
    IndexFolder.IndexManifest manifest,
    List<double[]> frequencies,
    List<List<FeatureWords>> words) {
  /**
   * A feature that was found.
   *
   * @param sae its SAE's folder
   * @param id its number there
   * @param layer that the SAE reads
   * @param score that ranks the feature
   * @param name its clear name, or null
   * @param steered the word that steering it raises most, or null where the rise is small
   * @param frequency share of the index's tokens on which it is active
   */
  public record Hit(
      String sae,
      int id,
      int layer,
      double score,
      @Nullable String name,
      @Nullable String steered,
      double frequency) {}

  /**
   * A feature's words.
   *
   * @param name its clear name, or null
   * @param steered as of {@link Hit}
   */
  public record FeatureWords(@Nullable String name, @Nullable String steered) {
    private static final FeatureWords NONE = new FeatureWords(null, null);
  }

  /**
   * A feature with what ranks it.
   *
   * @param group number of its SAE in the index
   */
  public record Scored(int group, int id, double score) {}

  /** Opens an index of features. */
  public static FeatureSearch open(IndexFolder folder) {
    IndexFolder.IndexManifest manifest = folder.read(IndexedUnits.FEATURES);
    Map<String, Integer> groups = new HashMap<>();
    List<double[]> frequencies = new ArrayList<>();
    List<List<FeatureWords>> words = new ArrayList<>();
    for (IndexFolder.IndexGroup entry : manifest.groups()) {
      groups.put(entry.sae(), frequencies.size());
      frequencies.add(new double[entry.units()]);
      words.add(new ArrayList<>(Collections.nCopies(entry.units(), FeatureWords.NONE)));
    }
    var found = FeatureQuery.run(folder, "SELECT sae, id, frequency, name, steered FROM features");
    for (List<@Nullable Object> row : found.rows()) {
      Integer group = groups.get(String.valueOf(row.get(0)));
      if (group == null
          || !(row.get(1) instanceof Number id)
          || !(row.get(2) instanceof Number frequency)
          || id.intValue() < 0
          || id.intValue() >= frequencies.get(group).length) {
        throw new InputException(folder.table("features"), "does not fit its index", "Index again");
      }
      frequencies.get(group)[id.intValue()] = frequency.doubleValue();
      words.get(group).set(id.intValue(), new FeatureWords(text(row.get(3)), text(row.get(4))));
    }
    return new FeatureSearch(folder, manifest, frequencies, words);
  }

  /**
   * Searches by a text. The score is that of a name (both the feature's images and its effect are
   * similar to the text), times {@link UnitTally#strength}: a feature of three images has a precise
   * direction, but seldom represents a text.
   *
   * @param embedding of the text, unit length [e]
   */
  public List<Hit> byText(float[] embedding, int count) {
    try (TextSearch texts = TextSearch.open(this, embedding.length)) {
      return texts.find(embedding, count);
    }
  }

  /**
   * Searches by an image, or some of its patches: activations are summed over the tokens.
   *
   * @param pixels F32 [1,3,h,w]
   * @param patches row-major numbers in the grid; empty for every token that an SAE reads
   * @param below features active on this share of tokens or more are dropped
   */
  public List<Hit> byImage(
      ClipModel model,
      RunSaes saes,
      Tensor pixels,
      List<Integer> patches,
      double below,
      int count) {
    List<Scored> all = new ArrayList<>();
    TowerWalk walk =
        TowerWalk.past(model.vision(), saes.all().stream().map(RunSaes.One::point).toList());
    try (Scope scope = Scope.open()) {
      walk.walk(pixels, paused -> add(all, model, saes, paused, patches, below));
    }
    return hits(all, count);
  }

  /**
   * The same search where an image was encoded already.
   *
   * @param codes of all tokens, by SAE as {@code saes} has them
   */
  public List<Hit> byCodes(
      ClipModel model,
      RunSaes saes,
      List<Codes> codes,
      List<Integer> patches,
      double below,
      int count) {
    int prefix = model.vision().config().prefixTokens();
    List<Scored> all = new ArrayList<>();
    for (int k = 0; k < codes.size(); k++) {
      RunSaes.One one = saes.all().get(k);
      TokenSelection reads = one.selection();
      int tokens = codes.get(k).starts().length - 1;
      List<Integer> rows =
          rows(model, reads, tokens, patches).stream().map(r -> reads.first(prefix) + r).toList();
      add(all, group(one), codes.get(k), rows, below);
    }
    return hits(all, count);
  }

  private void add(
      List<Scored> all,
      ClipModel model,
      RunSaes saes,
      Paused paused,
      List<Integer> patches,
      double below) {
    int tokens = (int) paused.value().size(1);
    int prefix = model.vision().config().prefixTokens();
    for (RunSaes.One one : saes.all()) {
      if (!one.point().equals(paused.at())) continue;
      try (Scope inner = Scope.open()) {
        Tensor x = SelectedTokens.of(paused.value(), one.selection(), prefix).rows();
        Codes codes = Codes.of(one.sae().encode(x).code());
        add(all, group(one), codes, rows(model, one.selection(), tokens, patches), below);
      }
    }
  }

  private int group(RunSaes.One one) {
    for (int g = 0; g < manifest.groups().size(); g++) {
      IndexFolder.IndexGroup entry = manifest.groups().get(g);
      if (entry.sae().equals(one.entry().folder()) && entry.units() == one.sae().features()) {
        return g;
      }
    }
    throw new InputException(
        folder.path(), "does not know the SAE " + one.entry().folder(), "Index again");
  }

  /** The rows of the patches among the tokens that an SAE reads. */
  private static List<Integer> rows(
      ClipModel model, TokenSelection selection, int tokens, List<Integer> patches) {
    int prefix = model.vision().config().prefixTokens();
    int first = selection.first(prefix);
    int count = selection.count(prefix, tokens);
    List<Integer> rows = new ArrayList<>();
    for (int patch : patches) {
      if (patch < 0 || patch >= tokens - prefix) {
        throw new InputException(
            "--patches " + patch,
            "there are patches 0 to " + (tokens - prefix - 1),
            "They count row by row from the upper left");
      }
      int row = prefix + patch - first;
      if (row >= 0 && row < count) rows.add(row);
    }
    if (patches.isEmpty()) for (int row = 0; row < count; row++) rows.add(row);
    return rows;
  }

  private void add(List<Scored> all, int group, Codes codes, List<Integer> rows, double below) {
    double[] sums = new double[frequencies.get(group).length];
    for (int row : rows) {
      for (int e = codes.starts()[row]; e < codes.starts()[row + 1]; e++) {
        sums[codes.units()[e]] += Math.max(0, codes.values()[e]);
      }
    }
    for (int u = 0; u < sums.length; u++) {
      if (sums[u] > 0 && frequencies.get(group)[u] < below) all.add(new Scored(group, u, sums[u]));
    }
  }

  /**
   * Searches by another feature: cosine of the decoder directions, within the hook point.
   *
   * @param sae a part of its SAE's folder that no other SAE's has, or null for a run of one SAE
   */
  public List<Hit> like(RunSaes saes, @Nullable String sae, int id, int count) {
    List<RunSaes.One> named =
        saes.all().stream()
            .filter(one -> sae == null || one.entry().folder().contains(sae))
            .toList();
    if (named.size() != 1) {
      String names =
          saes.all().stream().map(o -> o.entry().folder()).collect(Collectors.joining(", "));
      throw sae == null
          ? new InputException("--feature", "the run has several SAEs", "Add --sae, of " + names)
          : new InputException("--sae " + sae, "does not name one SAE", "Name one of " + names);
    }
    RunSaes.One from = named.getFirst();
    if (id < 0 || id >= from.sae().features()) {
      throw new InputException(
          "--feature " + id, "there are 0 to " + (from.sae().features() - 1), "Correct it");
    }
    List<Scored> all = new ArrayList<>();
    HookPoint point = from.point();
    try (Scope scope = Scope.open()) {
      Tensor direction = from.sae().decoder().narrow(0, id, 1).unit().transpose(0, 1);
      for (RunSaes.One one : saes.all()) {
        if (!one.point().equals(point)) continue;
        int g = group(one);
        float[] cosines = one.sae().decoder().unit().matmul(direction).toFloats();
        for (int u = 0; u < cosines.length; u++) {
          if (one != from || u != id) all.add(new Scored(g, u, cosines[u]));
        }
      }
    }
    return hits(all, count);
  }

  /** The best with their words; of equal ones the earlier come first. */
  public List<Hit> hits(List<Scored> all, int count) {
    Comparator<Scored> order =
        Comparator.comparingDouble((Scored s) -> -s.score)
            .thenComparingInt(Scored::group)
            .thenComparingInt(Scored::id);
    // Few of many: no order of the others.
    PriorityQueue<Scored> best = new PriorityQueue<>(order.reversed());
    for (Scored one : all) {
      if (best.size() < count) {
        best.add(one);
      } else if (count > 0 && order.compare(one, best.element()) < 0) {
        best.remove();
        best.add(one);
      }
    }
    return best.stream().sorted(order).map(this::hit).toList();
  }

  private Hit hit(Scored s) {
    IndexFolder.IndexGroup entry = manifest.groups().get(s.group);
    FeatureWords own = words.get(s.group).get(s.id);
    return new Hit(
        entry.sae(),
        s.id,
        HookPoint.parse(entry.hookPoint()).layer(),
        s.score,
        own.name,
        own.steered,
        frequencies.get(s.group)[s.id]);
  }

  private static @Nullable String text(@Nullable Object cell) {
    return cell == null ? null : cell.toString();
  }
}
