// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.lab.label;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.imageset.ImageCursor;
import io.clipsteer.data.imageset.ImageItem;
import io.clipsteer.data.imageset.ImageLoader;
import io.clipsteer.engine.checkpoint.ClipModel;
import io.clipsteer.engine.model.TextLibrary;
import io.clipsteer.lab.answer.ZeroShot;
import io.clipsteer.lab.index.IndexFolder;
import io.clipsteer.lab.index.IndexRun;
import io.clipsteer.lab.index.IndexedTops;
import io.clipsteer.lab.index.IndexedUnits;
import io.clipsteer.lab.index.Indexer;
import io.clipsteer.lab.index.ProxyTable;
import io.clipsteer.lab.label.Proxies.ProxyScores;
import io.clipsteer.lab.label.Proxies.ProxySubject;
import io.clipsteer.lab.probe.FrozenFeatures;
import io.clipsteer.lab.probe.HeadInput;
import io.clipsteer.lab.run.Counted;
import io.clipsteer.lab.run.Images;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * {@link Proxies} of all features of an index, in one pass over its images.
 *
 * @param folder the index; {@link ProxyTable} is written into it
 * @param judge encoder that plays the annotator
 * @param circular whether the features come from the judge itself
 * @param images of the index, as the judge reads them
 * @param draws of each task and feature
 * @param seed of the draws
 */
public record ProxyRun(
    IndexFolder folder, ClipModel judge, boolean circular, Images images, int draws, long seed) {
  /**
   * Largest share of active images of a feature that is judged. Above it most negative images would
   * be active, too.
   */
  public static final double MOST_FREQUENT = 0.5;

  /**
   * A score over features.
   *
   * @param mean null when there is no feature
   * @param features with a score
   */
  public record ProxyMean(@Nullable Double mean, int features) {
    private static ProxyMean of(
        List<ProxyScores> scores, Function<ProxyScores, @Nullable Double> score) {
      double[] values =
          scores.stream().map(score).filter(Objects::nonNull).mapToDouble(v -> v).toArray();
      var mean = Arrays.stream(values).average();
      return new ProxyMean(mean.isPresent() ? (Double) mean.getAsDouble() : null, values.length);
    }
  }

  /**
   * What was judged.
   *
   * @param judge checkpoint, absolute
   * @param circular whether the features come from the judge itself
   * @param features of the index, dead ones included
   * @param images that the judge read
   * @param indexedImages of the index
   * @param tooFewImages features without scores, because they have fewer than 10 top images, or 10
   *     negative ones
   * @param tooFrequent further features without scores, because they are active on more than half
   *     of the images
   * @param seconds in all
   */
  public record ProxySummary(
      String judge,
      boolean circular,
      int features,
      int images,
      int indexedImages,
      ProxyMean twoAfc,
      ProxyMean intruder,
      ProxyMean verification,
      int tooFewImages,
      int tooFrequent,
      int draws,
      long seed,
      double seconds,
      List<ImageLoader.Skipped> skipped) {}

  /**
   * Refuses images that the index does not have, before they are read.
   *
   * @throws InputException that names the first of them
   */
  public static void check(IndexFolder folder, Images images) {
    List<String> ids = new ArrayList<>();
    try (ImageCursor cursor = images.set().cursor()) {
      for (ImageItem item = cursor.next();
          item != null && ids.size() < images.options().limit();
          item = cursor.next()) {
        ids.add(item.id());
      }
    }
    check(folder, images, IndexedTops.images(folder), ids);
  }

  private static void check(
      IndexFolder folder, Images images, List<String> indexed, List<String> ids) {
    Set<String> known = new HashSet<>(indexed);
    List<String> strange = ids.stream().filter(id -> !known.contains(id)).toList();
    if (strange.isEmpty()) return;
    throw new InputException(
        images.set().origin(),
        "%d of %s not in the index, %s first"
            .formatted(strange.size(), Counted.of(ids.size(), "image"), strange.getFirst()),
        "Give the images of the index: " + folder.read(IndexedUnits.FEATURES).source());
  }

  /** Judges all features and writes the table. */
  public ProxySummary run(Progress progress) {
    long start = System.nanoTime();
    IndexedTops tops = IndexedTops.read(folder);
    FrozenFeatures read =
        FrozenFeatures.of(judge.vision(), images, 0, HeadInput.EMBEDDING, progress);
    check(folder, images, tops.images(), read.ids());
    Proxies proxies = new Proxies(unit(read), read.width(), draws, seed);
    List<ProxySubject> subjects = subjects(tops, read, progress);
    List<ProxyScores> scores;
    try (var task = progress.start("judging features", subjects.size(), "features")) {
      scores = proxies.scores(subjects, count -> task.advance(count, 0));
    }
    int few = 0;
    int frequent = 0;
    List<ProxyScores> judged = new ArrayList<>();
    List<ProxyTable.ProxyRow> rows = new ArrayList<>();
    String path = judge.source().path().toAbsolutePath().normalize().toString();
    for (int f = 0; f < subjects.size(); f++) {
      IndexedTops.FeatureTops feature = tops.features().get(f);
      boolean enough = proxies.canJudge(subjects.get(f));
      boolean rare = feature.imageFrequency() <= MOST_FREQUENT;
      if (!enough) few++;
      else if (!rare) frequent++;
      ProxyScores own = rare ? scores.get(f) : ProxyScores.NONE;
      judged.add(own);
      rows.add(
          new ProxyTable.ProxyRow(
              feature.sae(),
              feature.id(),
              path,
              circular,
              own.twoAfc(),
              own.intruder(),
              own.verification(),
              draws,
              seed));
    }
    ProxyTable.replace(folder, path, rows);
    return new ProxySummary(
        path,
        circular,
        subjects.size(),
        read.images(),
        tops.images().size(),
        ProxyMean.of(judged, ProxyScores::twoAfc),
        ProxyMean.of(judged, ProxyScores::intruder),
        ProxyMean.of(judged, ProxyScores::verification),
        few,
        frequent,
        draws,
        seed,
        (System.nanoTime() - start) * 1e-9,
        read.skipped());
  }

  private static float[] unit(FrozenFeatures read) {
    int e = read.width();
    float[] rows = new float[read.rows().length];
    for (int i = 0; i < read.images(); i++) {
      double[] row = IndexRun.unit(read.rows(), i * e, e, read.ids().get(i));
      for (int j = 0; j < e; j++) rows[i * e + j] = (float) row[j];
    }
    return rows;
  }

  /** All features, their images as rows of the embeddings. */
  private List<ProxySubject> subjects(IndexedTops tops, FrozenFeatures read, Progress progress) {
    Map<String, Integer> rows = new HashMap<>();
    for (int i = 0; i < read.images(); i++) rows.put(read.ids().get(i), i);
    List<@Nullable Integer> byNumber = new ArrayList<>();
    for (String image : tops.images()) byNumber.add(rows.get(image));
    Map<String, float[]> names = names(tops, progress);
    List<ProxySubject> subjects = new ArrayList<>();
    for (IndexedTops.FeatureTops feature : tops.features()) {
      int[] strongest = rows(feature.strongest().stream(), byNumber);
      int[] active =
          rows(Stream.concat(feature.strongest().stream(), feature.broadest().stream()), byNumber);
      Arrays.sort(active);
      long key = ProxySubject.key(feature.sae(), feature.id());
      String name = feature.name();
      subjects.add(new ProxySubject(key, strongest, active, name == null ? null : names.get(name)));
    }
    return subjects;
  }

  /** Rows of images that were read. */
  private static int[] rows(Stream<Integer> numbers, List<@Nullable Integer> byNumber) {
    return numbers
        .filter(number -> number >= 0 && number < byNumber.size())
        .map(byNumber::get)
        .filter(Objects::nonNull)
        .distinct()
        .mapToInt(row -> row)
        .toArray();
  }

  /** Embeddings of the features' names; none where the judge reads no texts. */
  private Map<String, float[]> names(IndexedTops tops, Progress progress) {
    Set<String> all = new LinkedHashSet<>();
    for (IndexedTops.FeatureTops feature : tops.features()) {
      if (feature.name() != null) all.add(feature.name());
    }
    if (all.isEmpty() || judge.text() == null || judge.tokenizer() == null) return Map.of();
    TextLibrary texts = ZeroShot.library(judge, List.copyOf(all), Indexer.TEMPLATES, progress);
    Map<String, float[]> names = new HashMap<>();
    for (int w = 0; w < texts.words().size(); w++) {
      int at = w * texts.width();
      names.put(
          texts.words().get(w), Arrays.copyOfRange(texts.embeddings(), at, at + texts.width()));
    }
    return names;
  }
}
