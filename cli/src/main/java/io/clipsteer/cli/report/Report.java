// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli.report;

import io.clipsteer.data.InputException;
import io.clipsteer.data.Progress;
import io.clipsteer.data.Reasons;
import io.clipsteer.data.folder.RunManifest;
import io.clipsteer.data.image.ImageDecoder;
import io.clipsteer.data.imageset.ImageSet;
import io.clipsteer.data.preprocess.Preprocessing;
import io.clipsteer.lab.index.FeatureQuery;
import io.clipsteer.lab.index.IndexFolder;
import io.clipsteer.lab.index.IndexedUnits;
import io.clipsteer.lab.run.RunFolder;
import io.clipsteer.lab.run.Versions;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * A run as one HTML file.
 *
 * @param folder the run, which must be indexed
 * @param index its index
 * @param steerability folder of its steerability, or null
 * @param edits folders of suppressions
 * @param features shown at most, 1 to 5,000
 * @param exemplars images of each, 0 to 100
 * @param seed of the random sample
 */
public record Report(
    RunFolder folder,
    IndexFolder index,
    @Nullable Path steerability,
    List<Path> edits,
    int features,
    int exemplars,
    long seed) {
  /** The largest file that is written. */
  static final long MOST_BYTES = 25_000_000;

  /** Refuses numbers out of range. */
  public Report {
    edits = List.copyOf(edits);
    if (features < 1 || features > 5000) {
      throw new InputException("--features " + features, "not from 1 to 5000", "Try 500");
    }
    if (exemplars < 0 || exemplars > 100) {
      throw new InputException("--exemplars " + exemplars, "not from 0 to 100", "Try 12");
    }
  }

  /**
   * Where the images are.
   *
   * @param preprocessing the model's
   */
  public record Source(ImageSet set, Preprocessing preprocessing, ImageDecoder.Options decoding) {}

  /**
   * What was written.
   *
   * @param features shown
   * @param images shown, each once
   * @param missing images that are no longer where the index saw them
   */
  public record Result(
      long bytes,
      int features,
      int images,
      List<String> missing,
      boolean evaluation,
      boolean steerability) {}

  /** Refuses a place for the page where something else lies. */
  public static void checkWritable(Path out) {
    Page.checkWritable(out);
  }

  /**
   * Writes the page.
   *
   * @param source of the images; null to show none
   */
  public Result write(Path out, @Nullable Source source, Progress progress) {
    RunFolder.Run run = folder.read();
    IndexFolder.IndexManifest manifest = index.read(IndexedUnits.FEATURES);
    JsonNode evaluation = evaluation();
    Steered steered = steerability == null ? null : Steered.read(steerability);
    if (steered != null) steered.checkOf(folder);
    List<String> saes = manifest.groups().stream().map(IndexFolder.UnitGroup::sae).toList();
    List<Suppressed> suppressed = edits.stream().map(Suppressed::read).toList();
    Shown.Wanted wanted = new Shown.Wanted(steered, Suppressed.features(suppressed));
    List<Shown> shown = Shown.choose(index, saes, wanted, features, seed);
    FeatureCards cards = FeatureCards.read(index, manifest, shown, source == null ? 0 : exemplars);
    cards.neighbours(folder, run);
    if (steered != null) addScores(cards, saes, steered);

    Map<String, @Nullable Object> data = new LinkedHashMap<>();
    String name = String.valueOf(folder.path().toAbsolutePath().normalize().getFileName());
    data.put("run", name);
    data.put("clipsteer", Versions.CLIPSTEER);
    data.put("model", manifest.model());
    data.put("source", manifest.source());
    data.put("images", manifest.images());
    data.put("vocabulary", manifest.vocabulary());
    data.put("recipe", recipe());
    data.put("saes", saes(run, manifest, evaluation));
    data.put("evaluation", evaluation == null ? null : overview(evaluation));
    data.put("steer", steered == null ? null : steered.json());
    data.put("points", steered == null ? List.of() : points(steered));
    data.put("edits", suppressed.stream().map(Suppressed::page).toList());
    data.put("features", cards.all());
    data.put("definitions", Definitions.all());
    data.put("commands", new Commands(folder, index, steered).all(this, out));

    String title = name + ": clipsteer report";
    JsonMapper mapper = JsonMapper.shared();
    long rest = Page.of(title, mapper.writeValueAsString(data)).length();
    Thumbnails thumbnails = Thumbnails.none();
    if (source != null) {
      // What the rest takes is counted in characters; words of other scripts take up to three
      // bytes.
      long budget = MOST_BYTES - rest * 5 / 4 - 4L * cards.images().size();
      thumbnails =
          Thumbnails.read(
              source.set,
              source.preprocessing,
              source.decoding,
              cards.images(),
              Math.max(0, budget),
              progress);
    }
    cards.setThumbnails(thumbnails);
    data.put("thumbs", thumbnails.jpegs());
    data.put("thumbSize", List.of(thumbnails.width(), thumbnails.height()));
    data.put("missing", thumbnails.missing().size());
    String html = Page.of(title, mapper.writeValueAsString(data));
    Page.write(out, html);
    return new Result(
        html.getBytes(StandardCharsets.UTF_8).length,
        shown.size(),
        thumbnails.jpegs().size(),
        thumbnails.missing(),
        evaluation != null,
        steered != null);
  }

  /** evaluation.json where there is one. */
  private @Nullable JsonNode evaluation() {
    Path file = folder.evaluation();
    if (!Files.isRegularFile(file)) return null;
    try {
      JsonNode json = JsonMapper.shared().readTree(Files.readAllBytes(file));
      if (json == null || !json.path("saes").isArray() || json.path("protocol").asInt() != 1) {
        throw new InputException(file, "is no evaluation of this clipsteer's", "Evaluate again");
      }
      return json;
    } catch (JacksonException e) {
      throw new InputException(file, "is no JSON", "Evaluate again", e);
    } catch (IOException e) {
      throw new InputException(file, "cannot be read: " + Reasons.of(e), "Check its rights", e);
    }
  }

  private static Map<String, @Nullable Object> overview(JsonNode evaluation) {
    Map<String, @Nullable Object> json = new LinkedHashMap<>();
    for (String key : List.of("source", "images", "skipped", "notes")) {
      json.put(key, evaluation.path(key));
    }
    return json;
  }

  /** Settings of the training, where the manifest has them. */
  private Map<String, @Nullable Object> recipe() {
    Map<String, @Nullable Object> recipe = new LinkedHashMap<>();
    RunManifest manifest = folder.manifest();
    if (manifest == null) return recipe;
    recipe.putAll(manifest.config());
    recipe.put("trained", String.valueOf(manifest.ended()));
    recipe.put("machine", manifest.machine().cpu() + ", " + manifest.machine().cores() + " cores");
    recipe.put("versions", manifest.versions().toString());
    return recipe;
  }

  private List<Map<String, @Nullable Object>> saes(
      RunFolder.Run run, IndexFolder.IndexManifest manifest, @Nullable JsonNode evaluation) {
    Map<String, Map<String, @Nullable Object>> all = new LinkedHashMap<>();
    for (IndexFolder.UnitGroup group : manifest.groups()) {
      Map<String, @Nullable Object> sae = new LinkedHashMap<>();
      sae.put("sae", group.sae());
      sae.put("hook_point", group.hookPoint());
      sae.put("tokens", group.tokens());
      sae.put("rows", group.rows());
      sae.put("columns", group.columns());
      sae.put("features", group.units());
      sae.put("rates", new ArrayList<List<@Nullable Object>>());
      for (RunFolder.SaeEntry entry : run.saes()) {
        if (entry.folder().equals(group.sae())) sae.put("variant", entry.variant());
      }
      if (evaluation != null) {
        for (JsonNode one : evaluation.path("saes")) {
          if (one.path("folder").asString("").equals(group.sae())) sae.put("evaluation", one);
        }
      }
      all.put(group.sae(), sae);
    }
    String sql =
        """
        SELECT sae, any_value(layer), count(*) FILTER (frequency > 0),
          count(*) FILTER (frequency > 0.1), sum(frequency), median(monosemanticity),
          sum(frequency_cls), sum(frequency_patches) FROM features GROUP BY sae\
        """;
    String[] keys = {"layer", "alive", "dense", "l0", "mono", "l0Cls", "l0Patches"};
    for (List<@Nullable Object> row : FeatureQuery.run(index, sql).rows()) {
      Map<String, @Nullable Object> sae = all.get(Cells.text(row.get(0)));
      if (sae == null) continue;
      for (int i = 0; i < keys.length; i++) sae.put(keys[i], Cells.number(row.get(i + 1)));
    }
    rates(all);
    return List.copyOf(all.values());
  }

  /** Features by quarter decades of the share of tokens on which they are active. */
  private void rates(Map<String, Map<String, @Nullable Object>> all) {
    String sql =
        """
        SELECT sae, greatest(-6, floor(log10(frequency) * 4) / 4) AS bin, count(*) FROM features
          WHERE frequency > 0 GROUP BY ALL ORDER BY sae, bin\
        """;
    for (List<@Nullable Object> row : FeatureQuery.run(index, sql).rows()) {
      Map<String, @Nullable Object> sae = all.get(Cells.text(row.get(0)));
      if (sae != null && sae.get("rates") instanceof List<?> rates) {
        @SuppressWarnings("unchecked") // put there above
        var list = (List<List<@Nullable Object>>) rates;
        list.add(List.of(Cells.number(row.get(1)) + "", Cells.whole(row.get(2))));
      }
    }
  }

  private static void addScores(FeatureCards cards, List<String> saes, Steered steered) {
    for (Map<String, @Nullable Object> card : cards.all()) {
      if (card.get("s") instanceof Integer s && card.get("id") instanceof Integer id) {
        card.put("steer", steered.of(saes.get(s), id));
      }
    }
  }

  private static List<Map<String, @Nullable Object>> points(Steered steered) {
    List<Map<String, @Nullable Object>> all = new ArrayList<>();
    for (Steered.Points points : steered.points()) {
      List<List<@Nullable Object>> values = new ArrayList<>();
      for (double[] one : points.values()) {
        List<@Nullable Object> value = new ArrayList<>();
        value.add(Cells.rounded(one[0]));
        value.add(Cells.rounded(one[1]));
        value.add((int) one[2]);
        values.add(value);
      }
      Map<String, @Nullable Object> json = new LinkedHashMap<>();
      json.put("layer", points.layer());
      json.put("unit", points.unit());
      json.put("sae", points.sae());
      json.put("values", values);
      all.add(json);
    }
    return all;
  }
}
